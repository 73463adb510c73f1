"""Whom an event befalls: names become services, routers and networks, wrong ones a LabError that says which fit."""

from collections.abc import Iterable
from ipaddress import IPv4Address

from macula_lab.composefile.plan import Network, Service
from macula_lab.engines.contract import Engine, Host
from macula_lab.errors import LabError


def service(engine: Engine, name: str) -> Service:
    """A service of the topology. Raises LabError naming those there are."""
    known = engine.plan.services
    if name in known:
        return known[name]
    if name in engine.plan.networks:
        raise LabError(f"{name} is a network, a service is needed", f"choose one of: {listed(known)}")
    raise LabError(f"there is no service {name!r} in {engine.plan.name}", f"choose one of: {listed(known)}")


def existing(engine: Engine, name: str) -> Host:
    """A service of the topology as it is now, also if it ended. Raises LabError when it was never started."""
    service(engine, name)
    hosts = engine.hosts()
    if name not in hosts:
        what = f"{name} of {engine.project}" if hosts else engine.project
        raise LabError(f"{what} is not up", f"macula-lab up {engine.plan.name} --project {engine.project}")
    return hosts[name]


def running(engine: Engine, name: str) -> Host:
    """A service that runs. Raises LabError naming its state when it does not."""
    host = existing(engine, name)
    if not host.running:
        raise LabError(f"{name} does not run, it is {host.state}", f"macula-lab event restart {name}")
    return host


def network(engine: Engine, name: str) -> Network:
    """A network of the topology. Raises LabError naming those there are."""
    known = engine.plan.networks
    if name in known:
        return known[name]
    if name in engine.plan.services:
        raise LabError(f"{name} is a service, a network is needed", f"choose one of: {listed(known)}")
    raise LabError(f"there is no network {name!r} in {engine.plan.name}", f"choose one of: {listed(known)}")


def network_at(engine: Engine, address: IPv4Address) -> Network:
    """The network in which an address lies. Raises LabError when there is none."""
    if found := engine.plan.network_of(address):
        return found
    raise LabError(f"{address} is in no network of {engine.plan.name}", f"they are: {listed(engine.plan.networks)}")


def uplink(engine: Engine, name: str) -> Service:
    """A router with an uplink (WAN) that runs. Raises LabError naming those there are."""
    found = service(engine, name)
    fitting = [router.name for router in engine.plan.routers() if router.environment.get("WAN")]
    if name not in fitting:
        lacking = "a router without WAN" if found in engine.plan.routers() else f"no router ({found.role or 'a host'})"
        remedy = f"choose one of: {listed(fitting)}" if fitting else f"{engine.plan.name} has no router with WAN"
        raise LabError(f"{name} is {lacking}; a router between an uplink and its LANs is needed", remedy)
    running(engine, name)
    return found


def routers_of(engine: Engine, found: Network) -> list[str]:
    """The routers that lead out of a network, all of which run. Raises LabError when there is none."""
    routers = [router.name for router in engine.plan.routers() if found.name in router.networks]
    if not routers:
        raise LabError(
            f"no router of ours is attached to {found.name}, so nothing leads out of it that could be cut",
            "link-down SERVICE cuts off a single host",
        )
    for router in routers:
        running(engine, router)
    return routers


def address(engine: Engine, found: Network, text: str, asking: str) -> IPv4Address:
    """An address of a network that nobody but `asking` has. Raises LabError saying what is wrong with it."""
    try:
        wanted = IPv4Address(text)
    except ValueError:
        raise LabError(f"{text!r} is no IPv4 address", f"name one of {found.subnet}") from None
    if wanted not in found.subnet or wanted in (found.subnet.network_address, found.subnet.broadcast_address):
        raise LabError(f"{wanted} is no address of a host in {found.name}", f"name one of {found.subnet}")
    if (owner := taken(engine, found).get(wanted, asking)) != asking:
        raise LabError(f"{wanted} is the address of {owner}", f"name another one of {found.subnet}, or none")
    return wanted


def free_address(engine: Engine, found: Network) -> IPv4Address:
    """The first address of a network's upper half that nobody has; the topmost are left to the lab's helpers.

    Raises LabError when there is none.
    """
    used = taken(engine, found)
    first, last = int(found.subnet.network_address), int(found.subnet.broadcast_address)
    for number in range((first + last + 1) // 2, last):
        if IPv4Address(number) not in used:
            return IPv4Address(number)
    raise LabError(f"every address in the upper half of {found.name} ({found.subnet}) is taken", "name one")


def taken(engine: Engine, found: Network) -> dict[IPv4Address, str]:
    """The addresses in use in a network and whose they are."""
    used = dict.fromkeys(engine.plan.taken(found.name), f"a router or the gateway of {found.name}")
    for name, planned in engine.plan.services.items():
        if fixed := planned.networks.get(found.name):
            used[fixed] = name
    for name, host in engine.hosts().items():
        if current := host.addresses.get(found.name):
            used[current] = name
    return used


def listed(names: Iterable[str]) -> str:
    """Names in a sentence."""
    return ", ".join(names) or "none"
