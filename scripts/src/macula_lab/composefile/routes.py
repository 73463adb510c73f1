"""The way of a packet through a topology, told from the file alone: the routers it crosses, and in which direction."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from macula_lab.composefile.plan import Plan, Service


@dataclass(frozen=True, slots=True)
class Crossing:
    """A router on the way."""

    router: str
    entered: str
    """the network from which the packet came"""
    left: str
    """the network into which it went; the one it came from where a router has one network only"""
    uplink: str | None
    """the router's network towards the world; None for a router between equals"""

    @property
    def outward(self) -> bool:
        """Whether the packet leaves the networks behind this router: here a NAT translates its source."""
        return self.left == self.uplink != self.entered

    @property
    def inward(self) -> bool:
        """Whether the packet enters the networks behind this router: here a NAT drops what it knows nothing of."""
        return self.entered == self.uplink != self.left


def route(plan: Plan, origin: str, target: IPv4Address) -> tuple[Crossing, ...] | None:
    """The routers that a packet of service `origin` for `target` crosses, in their order; None when no way leads there.

    It goes by the networks' gateways and the routers' ROUTES. What NATs do to the packet is not asked here.
    """
    here, entered = plan.services[origin], ""
    crossed: list[Crossing] = []
    for _ in plan.services:
        arrived = next((name for name in here.networks if target in plan.networks[name].subnet), None)
        hop = None if arrived else _next_hop(plan, here, target)
        left = arrived or next((name for name in here.networks if hop and hop in plan.networks[name].subnet), None)
        if left is None:
            return None
        if entered:
            crossed.append(Crossing(here.name, entered, left, uplink(plan, here)))
        if hop is None:
            return tuple(crossed)
        owner = next((service for service in plan.routers() if hop in addresses(service)), None)
        if owner is None:
            return None
        here, entered = owner, left
    return None


def uplink(plan: Plan, router: Service) -> str | None:
    """A router's network towards the world, by its WAN variable; None for a router between equals."""
    wan = router.environment.get("WAN", "")
    return next((name for name in router.networks if wan and plan.networks[name].subnet == IPv4Network(wan)), None)


def addresses(service: Service) -> set[IPv4Address]:
    """Every address that the file gives a service; a router's ADDRESSES are among them."""
    given = {address for address in service.networks.values() if address is not None}
    return given | {IPv4Interface(text).ip for text in service.environment.get("ADDRESSES", "").split()}


def _next_hop(plan: Plan, service: Service, target: IPv4Address) -> IPv4Address | None:
    if service not in plan.routers():
        return next((gateway for name in service.networks if (gateway := plan.networks[name].gateway)), None)
    routes = [word.partition("=") for word in service.environment.get("ROUTES", "").split()]
    fitting = [(IPv4Network(to), IPv4Address(via)) for to, _, via in routes if target in IPv4Network(to)]
    return max(fitting, key=lambda entry: entry[0].prefixlen, default=(None, None))[1]
