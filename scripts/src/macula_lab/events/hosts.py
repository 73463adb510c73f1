"""Events of hosts: programs that die, hang and come back, a host that moves to another network."""

from ipaddress import IPv4Address

from macula_lab.composefile.plan import Network
from macula_lab.engines.contract import Engine, Host
from macula_lab.errors import LabError
from macula_lab.events import targets
from macula_lab.events.event import Event

GRACE = 10.0
"""Seconds in which a program that is asked to end can say goodbye; then it is killed."""


def kill(engine: Engine, event: Event) -> list[str]:
    """The program dies at once (SIGKILL) and keeps its data."""
    before = targets.existing(engine, event.target)
    if not alive(before):
        return [f"{event.target}: does not run, it is {before.state}"]
    engine.kill(event.target)
    return became(engine, event.target, before.state)


def stop(engine: Engine, event: Event) -> list[str]:
    """The program is asked to end (SIGTERM) and keeps its data."""
    before = targets.existing(engine, event.target)
    if not alive(before):
        return [f"{event.target}: does not run, it is {before.state}"]
    engine.stop(event.target, GRACE)
    return became(engine, event.target, before.state)


def restart(engine: Engine, event: Event) -> list[str]:
    """The program starts again with its data; one that runs is ended first."""
    before = targets.existing(engine, event.target)
    if alive(before):
        engine.stop(event.target, GRACE)
    engine.restart(event.target)
    return became(engine, event.target, before.state)


def pause(engine: Engine, event: Event) -> list[str]:
    """The program hangs: it is there and does nothing."""
    before = targets.existing(engine, event.target)
    if paused(before):
        return [f"{event.target}: is paused already"]
    targets.running(engine, event.target)
    engine.pause(event.target)
    return became(engine, event.target, before.state)


def resume(engine: Engine, event: Event) -> list[str]:
    """A paused program goes on."""
    before = targets.existing(engine, event.target)
    if not paused(before):
        return [f"{event.target}: is not paused, it is {before.state}"]
    engine.resume(event.target)
    return became(engine, event.target, before.state)


def roam(engine: Engine, event: Event) -> list[str]:
    """The host leaves its network for another one, in which it has another address."""
    name, (wanted, *asked) = event.target, event.arguments
    if targets.service(engine, name) in engine.plan.routers():
        raise LabError(f"{name} is a router; what roams is a host", "wan-change ROUTER gives a router another address")
    there = targets.network(engine, wanted)
    before = targets.running(engine, name).addresses
    address = place(engine, name, there, asked[0] if asked else "")
    if before.keys() == {there.name} and (not asked or before[there.name] == address):
        return [f"{name}: is in {there.name} already, as {before[there.name]}"]
    for network in before:
        engine.detach(name, network)
    engine.attach(name, there.name, address)
    old = ", ".join(f"{network} {left}" for network, left in before.items()) or "no network"
    return [f"{name}: {old} -> {there.name} {address}"]


def paused(host: Host) -> bool:
    """Whether the program hangs; some engines tell a paused program's health too."""
    return host.state.startswith("paused")


def alive(host: Host) -> bool:
    """Whether there is a program, even if it hangs."""
    return host.running or paused(host)


def became(engine: Engine, service: str, before: str) -> list[str]:
    """How the state of a service changed."""
    return [f"{service}: {before} -> {targets.existing(engine, service).state}"]


def place(engine: Engine, service: str, network: Network, asked: str) -> IPv4Address:
    """The address a host gets in a network: the named one, the file's, one that is free."""
    if asked:
        return targets.address(engine, network, asked, asking=service)
    own = engine.plan.services[service].networks.get(network.name)
    return own or targets.free_address(engine, network)
