"""Which NATs the routers of a lab are now, and who is behind which."""

import json
from concurrent.futures import ThreadPoolExecutor

from macula.nat.profile import Profile, ProfileError, parse

from macula_lab.composefile.plan import Plan, Service
from macula_lab.composefile.routes import uplink
from macula_lab.engines.contract import Engine, Host
from macula_lab.errors import LabError


def profiles(engine: Engine) -> dict[str, Profile]:
    """The NAT of each router: what it says itself, since it may have become another one; else what the file says.

    Raises LabError for one in the file that does not exist.
    """
    routers = engine.plan.routers()
    with ThreadPoolExecutor(max_workers=4) as pool:
        return dict(
            zip([router.name for router in routers], pool.map(lambda one: profile(engine, one), routers), strict=True)
        )


def profile(engine: Engine, router: Service) -> Profile:
    """The NAT that one router is."""
    try:
        return parse(current(engine, router) or "none")
    except ProfileError as error:
        raise LabError(
            f"services.{router.name}.environment.NAT: {error}", "mend it, or the variable it is from"
        ) from error


def current(engine: Engine, router: Service) -> str:
    """The name or the parts of a router's NAT; empty for a router between equals."""
    if "WAN" not in router.environment:
        return ""
    try:
        shown = json.loads(engine.execute(router.name, ["macula-router", "show", "--json"]).stdout)
    except (LabError, ValueError):
        return router.environment.get("NAT", "none")
    return str(shown.get("preset") or shown["profile"])


def told(engine: Engine, service: Service, host: Host) -> str:
    """A router's NAT, and the routers that a host is behind."""
    words = []
    if service in engine.plan.routers():
        words.append(
            (current(engine, service) if host.running else service.environment.get("NAT", "")) or "plain router"
        )
    if routers := behind(engine.plan, service):
        words.append(f"behind {', '.join(routers)}")
    return ", ".join(words)


def behind(plan: Plan, service: Service) -> list[str]:
    """The routers between a service and the world: those with an uplink that is none of its networks."""
    found = []
    for router in plan.routers():
        shared = router.networks.keys() & service.networks.keys()
        if router is not service and (out := uplink(plan, router)) and shared - {out}:
            found.append(router.name)
    return found
