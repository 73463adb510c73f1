"""Topologies in network namespaces of this host: the same file, environment and events as with Docker, in less time.

Services of our node and router images run from the installed packages; files that ask for more are refused.
"""

import signal
from collections.abc import Callable, Generator, Mapping, Sequence
from ipaddress import IPv4Address

from macula_lab.composefile.plan import Plan, Service
from macula_lab.engines.contract import Finished, Host
from macula_lab.engines.netns import (
    attachments,
    bringup,
    execution,
    interactive,
    interfaces,
    processes,
    programs,
    requirements,
    subset,
)
from macula_lab.engines.netns.client import Supervisor
from macula_lab.engines.netns.helper import NamespaceHelper, kept
from macula_lab.engines.netns.project import Project
from macula_lab.errors import LabError
from macula_lab.process import ignore

ENDING = 10.0
"""Seconds for the kernel to take a killed service and its cables away."""


class NamespaceEngine:
    """Runs one topology in network namespaces under one project name. See the contract for what its methods promise."""

    name = "netns"

    def __init__(self, plan: Plan, project: str) -> None:
        self.plan = plan
        self.project = project
        self._project = Project(project)
        self._supervisor = Supervisor(self._project)

    def start(self, services: Sequence[str] = (), show: Callable[[str], None] = ignore) -> None:
        """Make what is missing and start these services with what they depend on.

        Raises LabError for a host that cannot have namespaces, a file that asks for what they cannot do, and a router
        that does not come up.
        """
        requirements.require()
        subset.require_honoured(self.plan)
        for service in services:
            self._service(service)
        with self._project.locked():
            bringup.start(self.plan, self._project, self._supervisor, services, show)

    def down(self, show: Callable[[str], None] = ignore) -> None:
        """End everything in the project's namespaces, and remove them and the project's folder."""
        requirements.require_root()
        with self._project.locked():
            bringup.clear(self._project, self._supervisor, show)
            self._project.remove_folder()

    def hosts(self) -> dict[str, Host]:
        """The services that were started."""
        if not self._project.services.is_dir():
            return {}
        status = self._supervisor.status() if self._supervisor.runs() else {}
        found = {}
        for folder in sorted(self._project.services.iterdir()):
            task = status.get(folder.name)
            state = "dead" if task is None else processes.state(task)
            addresses = {item.network: item.address for item in attachments.read(folder)}
            found[folder.name] = Host(folder.name, state, state == processes.RUNNING, addresses)
        return found

    def execute(self, service: str, argv: Sequence[str], *, timeout: float = 60.0) -> Finished:
        """Run a command in a service's place to its end."""
        program = programs.beside_service(self._project, self._service(service), argv)
        return execution.run(self._supervisor, program, service, timeout)

    def stream(self, service: str, argv: Sequence[str]) -> Generator[str, None, Finished]:
        """The lines of a command in a service's place, as they come."""
        program = programs.beside_service(self._project, self._service(service), argv)
        return (yield from execution.lines(self._supervisor, program, service))

    def interactive(self, service: str, argv: Sequence[str], terminal: bool) -> list[str]:
        """`nsenter` and `setpriv`."""
        return interactive.command(self._project, self._service(service), self._running(service), argv)

    def logs(self, service: str, tail: int | None = None) -> str:
        """What a service has written to its log."""
        file = programs.log_of(self._project, self._service(service).name)
        text = file.read_text(errors="replace") if file.exists() else ""
        return text if tail is None else "".join(text.splitlines(keepends=True)[-tail:] if tail else [])

    def logs_command(self, services: Sequence[str], follow: bool) -> list[str]:
        """`tail` of the services' logs."""
        return interactive.logs_command(self._project, [self._service(name).name for name in services], follow)

    def stop(self, service: str, grace: float = 5.0) -> None:
        """End a service's program by SIGTERM, after `grace` seconds by SIGKILL."""
        self._running(service)
        self._supervisor.signal(service, signal.SIGTERM)
        if not self._supervisor.ended(service, grace):
            self.kill(service)

    def kill(self, service: str) -> None:
        """End all of a service by SIGKILL, its network too."""
        self._running(service)
        self._supervisor.signal(service, signal.SIGKILL)
        if not self._supervisor.ended(service, ENDING):
            raise LabError(f"{service} was killed and does not end", "look at it with ps")

    def restart(self, service: str) -> None:
        """Start a service that ended, in a network made anew, with its data and its addresses."""
        with self._project.locked():
            bringup.restart(self.plan, self._project, self._supervisor, self._existing(service))

    def pause(self, service: str) -> None:
        """Stop all processes of a service."""
        self._running(service)
        processes.pause(self._project.of_service(service), self._supervisor.status())

    def resume(self, service: str) -> None:
        """Let all processes of a service go on."""
        self._running(service)
        processes.resume(self._project.of_service(service), self._supervisor.status())

    def detach(self, service: str, network: str) -> None:
        """Take an interface away; another network's gateway becomes the default route where it was this one's."""
        self._running(service)
        with self._project.locked():
            interfaces.detach(self.plan, self._project, self._service(service), network)

    def attach(self, service: str, network: str, address: IPv4Address | None = None) -> None:
        """Add an interface, with the address the file gives it there unless another one is named."""
        self._running(service)
        with self._project.locked():
            interfaces.attach(self.plan, self._project, self._service(service), network, address)

    def process(self, service: str) -> int:
        """The process of a service that runs."""
        return self._running(service)

    def helper(self, name: str, networks: Mapping[str, IPv4Address], *, gateway: bool = True) -> NamespaceHelper:
        """A namespace of the lab's own in these networks; one of that name that is left from before is removed."""
        if not self._supervisor.runs():
            raise LabError(f"{self.project} is not up", f"macula-lab up {self.plan.name}")
        helper = NamespaceHelper(self._project, name)
        with self._project.locked():
            helper.remove()
            interfaces.make_helper(self.plan, self._project, name, networks, gateway)
            helper.make_folder()
        return helper

    def beside(self, service: str, name: str) -> NamespaceHelper:
        """A helper in a service's namespace; one of that name that is left from before is removed."""
        self._running(service)
        helper = NamespaceHelper(self._project, name, service)
        helper.remove()
        helper.make_folder()
        return helper

    def kept(self, name: str) -> NamespaceHelper | None:
        """The helper of that name that was made and not removed."""
        return kept(self._project, name)

    def _service(self, service: str) -> Service:
        """The service of that name. Raises LabError when the file has none."""
        if service not in self.plan.services:
            known = ", ".join(self.plan.services)
            raise LabError(f"{self.plan.name} has no service {service!r} (it has: {known})", "name one of them")
        return self.plan.services[service]

    def _running(self, service: str) -> int:
        """The process id of a service that runs. Raises LabError for one that does not."""
        self._service(service)
        task = self._supervisor.status().get(service)
        if task is None or task["code"] is not None or task["pid"] is None:
            raise LabError(f"{service} is not running", f"macula-lab event restart {service}")
        return task["pid"]

    def _existing(self, service: str) -> Service:
        """The service of that name. Raises LabError when it was never started."""
        if not programs.folder_of(self._project, self._service(service).name).is_dir():
            raise LabError(f"{service} was never started", f"macula-lab up {self.plan.name}")
        return self.plan.services[service]
