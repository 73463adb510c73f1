"""Bringing a project's services up, one or all, and clearing everything away."""

import shutil
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from graphlib import TopologicalSorter

from macula_lab.composefile.plan import ROUTER_IMAGE, Plan, Service
from macula_lab.engines.netns import attachments, interfaces, namespaces, programs, wiring
from macula_lab.engines.netns.attachments import Attachment
from macula_lab.engines.netns.client import Supervisor
from macula_lab.engines.netns.project import Project
from macula_lab.engines.netns.wiring import Place
from macula_lab.errors import LabError
from macula_lab.process import last_lines

ROUTER_DEADLINE = 20.0
"""Seconds for a router to set itself up; it takes a fraction of one."""

CROWDED = 24
"""Hosts above which those of a network know each other's link-layer addresses from the start. The kernel finds out
1024 for all namespaces together (arp(7), gc_thresh3), which 33 hosts that talk to each other use up; these it does not
count."""

ROUTER_IS_UP = b"macula-router: up"


def start(
    plan: Plan, project: Project, supervisor: Supervisor, services: Sequence[str], show: Callable[[str], None]
) -> None:
    """Start services with what they depend on, routers first; what runs stays as it is.

    Returns when routers forward. Raises LabError for a router that does not come up, with its last lines.
    """
    launched = None
    running = set()
    if supervisor.runs():
        running = {name for name, task in supervisor.status().items() if task["code"] is None}
        remove_orphans(plan, project, supervisor, running)
    else:
        clear(project, supervisor, show)
        launched = supervisor.launch()
    wanted = [plan.services[name] for name in with_dependencies(plan, services) if name not in running]
    routers = [service for service in wanted if service in plan.routers()]
    _warm(supervisor, routers or wanted)
    show(f"making {len(wanted)} hosts in {len(plan.networks)} networks")
    wire(plan, project, wanted)
    if launched is not None:
        launched.wait()
    # Nodes come next, and routers need no help while they set themselves up.
    _run_routers(project, supervisor, routers, lambda: _warm(supervisor, plan.services.values()))
    _run(project, supervisor, [service for service in wanted if service not in routers])


def remove_orphans(plan: Plan, project: Project, supervisor: Supervisor, running: Iterable[str]) -> None:
    """End and forget services that the file no longer has."""
    there = {folder.name for folder in project.services.iterdir()} if project.services.is_dir() else set()
    for name in there - set(plan.services):
        if name in running:
            supervisor.signal(name, signal.SIGKILL)
            supervisor.ended(name, namespaces.KILL_DEADLINE)
        shutil.rmtree(project.services / name)


def with_dependencies(plan: Plan, services: Sequence[str]) -> list[str]:
    """Services, or all of them when none is named, and what they depend on: that first."""
    order = TopologicalSorter({service.name: service.depends_on for service in plan.services.values()}).static_order()
    needed = set(services or plan.services)
    pending = list(needed)
    while pending:
        new = set(plan.services[pending.pop()].depends_on) - needed
        needed |= new
        pending += new
    return [name for name in order if name in needed]


def restart(plan: Plan, project: Project, supervisor: Supervisor, service: Service) -> None:
    """Start one service that ended; one that runs stays as it is."""
    task = supervisor.status().get(service.name)
    if task is not None and task["code"] is None:
        return
    wire(plan, project, [service])
    if service in plan.routers():
        _run_routers(project, supervisor, [service])
    else:
        _run(project, supervisor, [service])


def wire(plan: Plan, project: Project, services: Sequence[Service]) -> None:
    """Make the networks and these services' places in them: where they were last, else where the file puts them."""
    by_plan = attachments.of_plan(plan)
    crowds = attachments.crowds(by_plan, CROWDED)
    places = []
    for service in services:
        folder = programs.folder_of(project, service.name)
        programs.data_of(project, service.name).mkdir(0o700, parents=True, exist_ok=True)
        found = attachments.read(folder)
        if not found or not all(_fits(plan, item) for item in found):
            found = by_plan[service.name]
            attachments.write(folder, found)
        gateway = attachments.gateway(plan, service, found)
        key = f"services.{service.name}.sysctls"
        places.append(Place(project.of_service(service.name), found, gateway, service.sysctls, key, crowds))
    interfaces.write_hosts(plan, project)
    wiring.make_fabric(project.fabric, plan.networks)
    wiring.make(project.fabric, plan.networks, places)


def clear(project: Project, supervisor: Supervisor, show: Callable[[str], None]) -> None:
    """End all that runs in a project and remove its namespaces; files stay."""
    supervisor.end()
    if names := project.namespaces():
        show(f"removing {len(names)} namespaces")
        namespaces.remove(names)


def _run(project: Project, supervisor: Supervisor, services: Sequence[Service]) -> None:
    if services:
        supervisor.start([programs.of_service(project, service) for service in services])


def _warm(supervisor: Supervisor, services: Iterable[Service]) -> None:
    """Have the code of services' programs imported before they start."""
    for command in sorted({programs.main_command(service)[0] for service in services}):
        supervisor.warm(command)


def _run_routers(
    project: Project, supervisor: Supervisor, routers: Sequence[Service], meanwhile: Callable[[], None] = lambda: None
) -> None:
    """Start routers and return when they say they are up. Raises LabError with the last lines of one that is not."""
    serving = [router for router in routers if programs.main_command(router) == programs.COMMANDS[ROUTER_IMAGE]]
    logs = {router.name: programs.log_of(project, router.name) for router in serving}
    written = {name: log.stat().st_size if log.exists() else 0 for name, log in logs.items()}
    _run(project, supervisor, routers)
    meanwhile()
    end = time.monotonic() + ROUTER_DEADLINE
    for name, log in logs.items():
        while ROUTER_IS_UP not in log.read_bytes()[written[name] :]:
            ended = supervisor.ended(name, 0.005)
            if ended or time.monotonic() > end:
                why = "ended at once" if ended else f"is not up after {ROUTER_DEADLINE:g} s"
                raise LabError(f"the router {name} {why}", f"mend services.{name}", last_lines(log))


def _fits(plan: Plan, item: Attachment) -> bool:
    return item.network in plan.networks and item.address in plan.networks[item.network].subnet
