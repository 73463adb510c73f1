"""One topology: its containers brought up, asked, explained and taken down."""

import json
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import docker
from docker.models.containers import Container

from macula_lab.engines.docker import daemon as engine
from macula_lab.engines.docker.images import PROJECT_LABEL
from macula_lab.errors import LabError
from macula_lab.mesh.models import Member, NodeStatus
from macula_lab.process import ignore, run
from macula_lab.workspace import COMPOSE, topologies

SERVICE_LABEL = "com.docker.compose.service"
ROLE_LABEL = "macula.role"
ROUTER = "router"

READY_DEADLINE = 60.0
"""Seconds from started containers to a mesh in which everybody knows everybody."""

STOP_GRACE = "5"
"""Seconds a container has for ending by itself."""


class CommandRefused(LabError):
    """`macula …` in a node ended with a non-zero exit code; `code` and `message` are the node's own words."""

    def __init__(
        self, service: str, argv: Sequence[str], exit_code: int, error: Mapping[str, Any], stderr: str
    ) -> None:
        self.service = service
        self.exit_code = exit_code
        self.error = dict(error)
        self.code = str(error.get("code", "unknown"))
        self.message = str(error.get("message", ""))
        told = f"{self.code}: {self.message}" if error else f"exit code {exit_code}"
        super().__init__(f"`macula {' '.join(argv)}` in {service}: {told}", evidence=stderr)


@dataclass
class Topology:
    """A compose file under a project name, with all that can be asked of it while it is up.

    `compose` is the compose command; `network` is the first two octets of the addresses (LAB_NETWORK), empty for
    the file's own; `project` is macula-NAME unless told otherwise. Raises LabError when there is no such file.
    """

    name: str
    compose: tuple[str, ...]
    project: str = ""
    network: str = ""

    def __post_init__(self) -> None:
        require_known(self.name)
        self.project = self.project or f"macula-{self.name}"

    @cached_property
    def client(self) -> docker.DockerClient:
        """The engine. Raises LabError when none answers."""
        return engine.client()

    @property
    def file(self) -> Path:
        """The compose file."""
        return COMPOSE / f"{self.name}.yaml"

    def up(self, show: Callable[[str], None] = ignore) -> None:
        """Start the containers; `wait_ready` waits for the mesh. Raises LabError with compose's last lines."""
        self._compose("up", "-d", "--remove-orphans", show=show)

    def down(self, show: Callable[[str], None] = ignore) -> None:
        """Stop and remove the containers and networks; nothing to do is no error."""
        self._compose("down", "-v", "--remove-orphans", "-t", STOP_GRACE, show=show)

    def containers(self) -> dict[str, Container]:
        """The containers by service, in the order of the services' names, also those that ended."""
        found = self.client.containers.list(all=True, filters={"label": f"{PROJECT_LABEL}={self.project}"})
        return dict(sorted((container.labels[SERVICE_LABEL], container) for container in found))

    def container(self, service: str) -> Container:
        """The container of a service. Raises LabError when there is none."""
        containers = self.containers()
        if service not in containers:
            known = ", ".join(containers) or "none"
            raise LabError(
                f"{self.project} has no container {service!r} (it has: {known})", f"make up TOPOLOGY={self.name}"
            )
        return containers[service]

    def nodes(self) -> list[str]:
        """The services that run a mesh node, in the order of their names."""
        return [name for name, container in self.containers().items() if role(container) != ROUTER]

    def members(self) -> list[Member]:
        """Every container, the nodes that answer with their status, asked at the same time."""
        with ThreadPoolExecutor(max_workers=4) as pool:
            found = list(pool.map(lambda item: self._member(*item), self.containers().items()))
        order = ["bootstrap", "gateway", "edge", ROUTER]
        return sorted(
            found, key=lambda member: (order.index(member.role) if member.role in order else 9, member.service)
        )

    def status(self, service: str) -> NodeStatus:
        """What a node says about itself. Raises CommandRefused when it does not answer."""
        return NodeStatus.model_validate(self.exec_json(service, ["status"]))

    def exec_json(self, service: str, argv: Sequence[str]) -> Any:
        """The JSON answer of `macula ARGV --json` in a node. Raises CommandRefused when the exit code is not 0."""
        code, stdout, stderr = self.execute(service, ["macula", *argv, "--json"])
        if code != 0:
            raise CommandRefused(service, argv, code, told_error(stdout), stderr or stdout)
        return json.loads(stdout)

    def execute(self, service: str, argv: Sequence[str]) -> tuple[int, str, str]:
        """Run a command in a container to its end: its exit code, stdout and stderr."""
        code, streams = self.container(service).exec_run(list(argv), demux=True)
        stdout, stderr = cast("tuple[bytes | None, bytes | None]", streams)
        return cast("int", code), text(stdout), text(stderr)

    def stream(self, service: str, argv: Sequence[str]) -> Generator[Any, None, None]:
        """The JSON lines of `macula ARGV --json` in a node as they come, until it ends; close() stops listening.

        Raises CommandRefused when the exit code is not 0.
        """
        api = self.client.api
        created = api.exec_create(self.container(service).id, ["macula", *argv, "--json"])
        pending, errors, last = b"", b"", b""
        output = api.exec_start(created["Id"], stream=True, demux=True)
        try:
            for stdout, stderr in output:
                errors += stderr or b""
                *lines, pending = (pending + (stdout or b"")).split(b"\n")
                for last in lines:
                    yield json.loads(last)
        finally:
            # The stream's own close() leaves the socket to the garbage collector.
            output._response.close()  # type: ignore[attr-defined]
        code = api.exec_inspect(created["Id"])["ExitCode"]
        if code != 0:
            raise CommandRefused(service, argv, code, told_error(text(last)), text(errors))

    def logs(self, service: str, tail: int | None = None) -> str:
        """What a container has written so far, or the last `tail` lines of it."""
        return text(self.container(service).logs(timestamps=True, tail="all" if tail is None else tail))

    def wait_ready(self, deadline: float = READY_DEADLINE) -> None:
        """Return when every node is ready, has a peer, and has every other node in its routing table.

        Raises LabError, naming the nodes that are not and with the first one's last log lines, after `deadline`
        seconds, or at once when a container ended.
        """
        end = time.monotonic() + deadline
        while reasons := self._not_ready():
            first, why = next(iter(reasons.items()))
            ended = why.startswith(("exited", "dead"))
            if ended or time.monotonic() > end:
                listed = "; ".join(f"{service}: {reason}" for service, reason in reasons.items())
                when = "" if ended else f" after {deadline:g} s"
                hint = f"macula-lab logs {first} --topology {self.name} --project {self.project}"
                raise LabError(f"{self.project} is not ready{when}: {listed}", hint, self.logs(first, tail=20))
            time.sleep(0.2)

    def collect(self, folder: Path) -> Path:
        """Keep all that explains the topology's state: each container's log and status, and the list of containers."""
        folder.mkdir(parents=True, exist_ok=True)
        members = self.members()
        listing = [member.model_dump(mode="json", exclude={"status"}) for member in members]
        (folder / "ps.json").write_text(json.dumps(listing, indent=2))
        for member in members:
            (folder / f"{member.service}.log").write_text(self.logs(member.service))
            if member.status:
                (folder / f"{member.service}.status.json").write_text(member.status.model_dump_json(indent=2))
        return folder

    def _compose(self, *argv: str, show: Callable[[str], None]) -> None:
        command = [*self.compose, "-p", self.project, "-f", str(self.file), *argv]
        hint = "macula-lab down, then again; where networks overlap: LAB_NETWORK=10.77 make up"
        run(command, show=show, env=self.environment(), timeout=300, next_step=hint)

    def environment(self) -> dict[str, str]:
        """The variables that compose needs for this topology."""
        return {"LAB_NETWORK": self.network} if self.network else {}

    def _not_ready(self) -> dict[str, str]:
        """The services that are not ready and why, those that ended first; cheap while containers are starting."""
        containers = self.containers()
        waiting = {
            service: state(container)
            for service, container in containers.items()
            if state(container) not in ("running", "running (healthy)")
        }
        if waiting or not containers:
            return dict(sorted(waiting.items(), key=lambda item: item[1])) or {"compose": "no container"}
        members = [member for member in self.members() if member.role != ROUTER]
        reasons = {member.service: lacks(member.status, len(members) - 1) for member in members}
        return {service: reason for service, reason in reasons.items() if reason}

    def _member(self, service: str, container: Container) -> Member:
        networks = container.attrs["NetworkSettings"]["Networks"].values()
        status = None
        if container.status == "running" and role(container) != ROUTER:
            try:
                status = self.status(service)
            except CommandRefused:
                status = None
        return Member(
            service=service,
            role=role(container),
            state=state(container),
            address=" ".join(sorted(network["IPAMConfig"]["IPv4Address"] for network in networks)),
            status=status,
        )


def require_known(name: str) -> None:
    """Raise LabError when there is no topology of that name."""
    if name not in topologies():
        raise LabError(f"there is no topology {name!r}", f"choose one of: {', '.join(topologies())}")


def lacks(status: NodeStatus | None, others: int) -> str:
    """What a node lacks for being a member of a mesh with `others` other nodes; empty when nothing."""
    if status is None:
        return "does not answer"
    if not status.ready:
        return "is not ready"
    if others and not status.peers:
        return "has no peer"
    if status.dht.nodes < others:
        return f"knows {status.dht.nodes} of {others} nodes"
    return ""


def role(container: Container) -> str:
    """What a container is in its topology, by its label."""
    return str(container.labels.get(ROLE_LABEL, "node"))


def state(container: Container) -> str:
    """running, running (starting), running (healthy), exited (1), ..."""
    inspected = container.attrs["State"]
    if inspected["Status"] == "exited":
        return f"exited ({inspected['ExitCode']})"
    health = inspected.get("Health", {}).get("Status")
    return f"{inspected['Status']} ({health})" if health else str(inspected["Status"])


def told_error(stdout: str) -> dict[str, Any]:
    """The error object of a command's JSON; empty when it printed none."""
    try:
        answer = json.loads(stdout)
    except ValueError:
        return {}
    error = answer.get("error") if isinstance(answer, dict) else None
    return error if isinstance(error, dict) else {}


def text(output: bytes | None) -> str:
    """A program's output as text, whatever bytes it holds."""
    return (output or b"").decode(errors="replace")
