"""Events of cables: a host's interfaces go down and come back up, with the routes that went with them."""

import json
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from macula_lab.engines.contract import Engine, Helper
from macula_lab.errors import LabError
from macula_lab.events import journal, targets
from macula_lab.events.event import Event


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface of a host, in a network of the plan."""

    name: str
    network: str
    address: IPv4Address
    up: bool

    def __str__(self) -> str:
        return f"{self.name} ({self.network} {self.address})"


def link_down(engine: Engine, event: Event) -> list[str]:
    """The host's interfaces go down, all of them or the one in the named network."""
    service = event.target
    targets.running(engine, service)
    helper = engine.beside(service, f"event-{service}")
    try:
        return [put_down(engine, helper, service, found) for found in chosen(engine, helper, event)]
    finally:
        helper.remove()


def link_up(engine: Engine, event: Event) -> list[str]:
    """The host's interfaces come back, with the routes they had."""
    service = event.target
    targets.running(engine, service)
    helper = engine.beside(service, f"event-{service}")
    try:
        return [put_up(engine, helper, service, found) for found in chosen(engine, helper, event)]
    finally:
        helper.remove()


def put_down(engine: Engine, helper: Helper, service: str, interface: Interface) -> str:
    """Take one interface down. The kernel forgets its routes then, so they are kept."""
    if not interface.up:
        return f"{service}: {interface} is down already"
    listed = done(helper, "ip", "-4", "route", "show", "dev", interface.name)
    # The kernel itself makes the route to the interface's own subnet again.
    routes = [line.strip() for line in listed.splitlines() if "proto kernel" not in line]
    journal.keep_routes(engine.project, f"{service} {interface.name}", routes)
    done(helper, "ip", "link", "set", "dev", interface.name, "down")
    return f"{service}: {interface} went down"


def put_up(engine: Engine, helper: Helper, service: str, interface: Interface) -> str:
    """Bring one interface up again."""
    if interface.up:
        return f"{service}: {interface} is up already"
    done(helper, "ip", "link", "set", "dev", interface.name, "up")
    for route in journal.kept_routes(engine.project, f"{service} {interface.name}"):
        done(helper, "ip", "route", "replace", *route.split(), "dev", interface.name)
    return f"{service}: {interface} came up"


def chosen(engine: Engine, helper: Helper, event: Event) -> list[Interface]:
    """The interfaces an event means. Raises LabError when the host has none there."""
    found = interfaces(engine, helper)
    if not event.arguments:
        return found
    network = targets.network(engine, event.arguments[0]).name
    if fitting := [interface for interface in found if interface.network == network]:
        return fitting
    known = targets.listed(dict.fromkeys(interface.network for interface in found))
    raise LabError(f"{event.target} is not in {network}", f"choose one of: {known}")


def interfaces(engine: Engine, helper: Helper) -> list[Interface]:
    """A host's interfaces in networks of the plan, found by their addresses, whatever their names and order are."""
    found = []
    told: list[dict[str, Any]] = json.loads(done(helper, "ip", "-j", "-4", "address", "show"))
    for link in told:
        # An interface may own several addresses; the first is what the engine gave it.
        for address in link.get("addr_info", [])[:1]:
            own = IPv4Address(address["local"])
            if network := engine.plan.network_of(own):
                found.append(Interface(link["ifname"], network.name, own, "UP" in link["flags"]))
    return found


def done(helper: Helper, *argv: str) -> str:
    """The output of a command. Raises LabError with what it said when it failed."""
    finished = helper.execute(argv)
    if finished.code != 0:
        raise LabError(f"`{' '.join(argv)}` failed", evidence=finished.stderr)
    return finished.stdout
