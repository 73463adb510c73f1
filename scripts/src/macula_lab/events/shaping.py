"""Links that are made slow or lossy while a lab is up: the uplinks of routers, and those of other hosts.

A router shapes its uplink itself. Beside another host a helper does, for as long as anything is asked.
"""

import json
from collections.abc import Sequence
from typing import Any

from macula_lab.engines.contract import Engine, Finished, Helper
from macula_lab.errors import LabError
from macula_lab.events import targets


def uplinks(lab: Engine) -> list[str]:
    """The routers that have an uplink, and the other hosts whose link is shaped now."""
    routers = lab.plan.routers()
    hosts = [service.name for service in lab.plan.services.values() if service not in routers]
    shaped = [name for name in hosts if lab.kept(_helper(name))]
    return [router.name for router in routers if router.environment.get("WAN")] + shaped


def chosen(lab: Engine, name: str) -> str:
    """That service's name. Raises LabError, naming those that there are, when it is none or a router without uplink."""
    plain = [router.name for router in lab.plan.routers() if not router.environment.get("WAN")]
    fitting = [service for service in lab.plan.services if service not in plain]
    if name in fitting:
        return name
    what = "has no uplink (WAN)" if name in plain else "is not a service"
    raise LabError(f"SERVICE: {name} {what}", f"choose one of: {', '.join(fitting)}")


def ask(lab: Engine, name: str, words: Sequence[str]) -> dict[str, Any]:
    """Let a link be changed, or tell of itself. Raises LabError with what is said when it cannot be."""
    service = lab.plan.services[name]
    if service in lab.plan.routers():
        return _answer(name, lab.execute(name, ["macula-router", "link", *words, "--json"]))
    targets.running(lab, name)
    network = lab.plan.networks[next(iter(service.networks))]
    helper = lab.kept(_helper(name)) or lab.beside(name, _helper(name))
    try:
        told = _answer(name, helper.execute([*_as_router(helper, str(network.subnet)), *words, "--json"]))
    except LabError:
        helper.remove()
        raise
    if not told["running"]:
        helper.remove()
    return told


def _as_router(helper: Helper, subnet: str) -> list[str]:
    """The command of a router, for which the host's network is the WAN."""
    return ["env", f"WAN={subnet}", "NAT=none", f"MACULA_ROUTER_STATE={helper.folder}", "macula-router", "link"]


def _answer(name: str, ended: Finished) -> dict[str, Any]:
    if ended.code != 0:
        cause, _, next_step = ended.stderr.strip().removeprefix("macula-router: ").partition("; ")
        raise LabError(f"{name}: {cause or f'its link command ended with {ended.code}'}", next_step)
    status: dict[str, Any] = json.loads(ended.stdout)
    return status


def _helper(name: str) -> str:
    return f"link-{name}"
