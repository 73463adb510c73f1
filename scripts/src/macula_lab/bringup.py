"""Bringing a lab up: routers first, each proven to be the NAT it is called, then the rest, then the mesh proven."""

import signal
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from macula_lab.composefile.plan import Plan
from macula_lab.engines.contract import Engine, Host
from macula_lab.errors import LabError
from macula_lab.events import journal
from macula_lab.evidence import capture
from macula_lab.mesh.mesh import Mesh
from macula_lab.mesh.models import Proof
from macula_lab.mesh.proof import prove
from macula_lab.report import Reporter
from macula_lab.router.config import from_environment
from macula_lab.router.link import spec as link
from macula_lab.selfcheck.fast import UP, check_routers

ROUTER_DEADLINE = 15.0
"""Seconds from started routers to routers that forward."""


@dataclass(frozen=True, slots=True)
class Up:
    """A lab that is up."""

    mesh: Mesh
    proof: Proof | None
    """None where none of our nodes is in it"""


def bring_up(engine: Engine, report: Reporter) -> Up:
    """Start what is not up yet and prove it; what runs already is left as it is, its routers too.

    When it is interrupted (KeyboardInterrupt) while it makes a new lab, everything it made is removed. A router that
    is not its NAT ends it with LabError; the lab then stays for being looked at.
    """
    require_settings(engine.plan)
    before = engine.hosts()
    with removed_if_interrupted(engine, report, new=not before):
        routers = [router.name for router in engine.plan.routers()]
        if routers:
            with report.step(f"Making networks and {counted(len(routers), 'router')} ({engine.name})") as show:
                engine.start(routers, show)
                wait_for_routers(engine, [name for name in routers if name not in before or not before[name].running])
        if unproven := to_prove(engine.plan, before):
            with report.step("Checking that each router is the NAT it is called"):
                check(engine, unproven, report.say)
        others = counted(len(engine.plan.services) - len(routers), "service")
        with report.step(f"Starting {others} as {engine.project}") as show:
            engine.start((), show)
        mesh = Mesh(engine)
        if not mesh.nodes():
            return Up(mesh, None)
        with report.step("Waiting until every node is ready and knows whom it must"):
            mesh.wait_ready()
        with report.step("Calling and publishing from one node to another"):
            return Up(mesh, prove(mesh, mesh.expectation()))


def require_settings(plan: Plan) -> None:
    """Raise LabError, naming the key, for what no router can be; it would say so itself, but later."""
    for router in plan.routers():
        try:
            from_environment(router.environment)
            for name in ("LINK_OUT", "LINK_IN"):
                link.parse(router.environment.get(name, ""))
        except LabError as error:
            raise LabError(f"services.{router.name}.environment: {error.cause}", error.next_step) from error


def wait_for_routers(engine: Engine, started: Collection[str]) -> None:
    """Return when these routers forward. Raises LabError with the last lines of one that does not come to it."""
    end = time.monotonic() + ROUTER_DEADLINE
    for name in started:
        command = engine.plan.services[name].command
        if command is not None and "macula-router" not in command:
            continue  # somebody uses the image for something else
        while UP not in (written := engine.logs(name, 20)):
            host = engine.hosts().get(name)
            if host is None or not host.running or time.monotonic() > end:
                state = host.state if host else "not there"
                raise LabError(f"the router {name} does not come up, it is {state}", f"macula-lab logs {name}", written)
            time.sleep(0.02)


def to_prove(plan: Plan, before: Mapping[str, Host]) -> list[str]:
    """The routers to be checked, by what there was before: all of them, unless anything else runs already.

    That must not be disturbed, and it was not started before the routers were proven.
    """
    routers = {router.name: router for router in plan.routers()}
    others = [host for name, host in before.items() if name not in routers]
    used = any(host.state != "created" for host in others)
    return [
        name
        for name, router in routers.items()
        if "WAN" in router.environment and not (used and name in before and before[name].running)
    ]


def check(engine: Engine, routers: Collection[str], show: Callable[[str], None]) -> None:
    """The fast self-check of these routers. Raises LabError, with how to look at it, for one that is another NAT."""
    try:
        check_routers(engine, show, routers)
    except LabError as error:
        look = f"it stays up for you to look: macula-lab ps --project {engine.project}; then macula-lab down"
        raise LabError(error.cause, "\n".join(filter(None, (error.next_step, look))), error.evidence) from error


@contextmanager
def removed_if_interrupted(engine: Engine, report: Reporter, new: bool) -> Iterator[None]:
    """Remove a new lab when the block is interrupted, or fails before there is any service to look at."""
    if new:
        journal.forget(engine.project)
        capture.forget(engine.project)
    try:
        yield
    except KeyboardInterrupt:
        if new:
            with undisturbed(), report.step(f"Interrupted: removing {engine.project}") as show:
                engine.down(show)
        raise
    except LabError:
        if new and not engine.hosts():
            engine.down()
        raise


@contextmanager
def undisturbed() -> Iterator[None]:
    """A block that Ctrl-C does not interrupt again."""
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def counted(number: int, noun: str) -> str:
    """1 router, 2 routers."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
