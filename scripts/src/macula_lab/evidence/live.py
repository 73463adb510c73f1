"""Asking the lab that is up what became of the packets between two of its services."""

from macula_lab.engines.contract import Engine
from macula_lab.errors import LabError
from macula_lab.evidence import routers
from macula_lab.evidence.routers import RouterState
from macula_lab.evidence.why import Answer, why


def ask(engine: Engine, a: str, b: str) -> Answer:
    """What became of the packets between the services `a` and `b`.

    Raises LabError for a service that is not there, for the same one twice, and when a router does not answer.
    """
    hosts = engine.hosts()
    if not hosts:
        raise LabError(f"{engine.project} is not up", f"macula-lab up {engine.plan.name}")
    for name in (a, b):
        if name not in engine.plan.services:
            there = ", ".join(engine.plan.services)
            raise LabError(f"there is no service {name!r} in {engine.plan.name}", f"choose two of: {there}")
    if a == b:
        raise LabError(f"{a} sends itself nothing through a router", "name two services")
    return why(engine.plan, states(engine), {name: host.addresses for name, host in hosts.items()}, a, b)


def states(engine: Engine) -> dict[str, RouterState]:
    """What every router that runs says about itself. Raises LabError, naming the router, when one does not."""
    hosts = engine.hosts()
    running = [one.name for one in engine.plan.routers() if one.name in hosts and hosts[one.name].running]
    return {name: routers.read(name, routers.show(engine, name)) for name in running}
