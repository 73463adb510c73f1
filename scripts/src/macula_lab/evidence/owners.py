"""Whose sockets those are that routers see: a host's own ones, and those that NATs gave it on the way out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address

from macula_lab.composefile.plan import Plan, Service, own_addresses
from macula_lab.composefile.routes import uplink
from macula_lab.evidence.packets import Endpoint
from macula_lab.evidence.routers import Mapping as NatMapping
from macula_lab.evidence.routers import RouterState


class Owned(Enum):
    """Whether a socket is a host's."""

    YES = "yes"
    PERHAPS = "perhaps"
    """it is at the outside address of a NAT of the host, and belongs to nobody now"""
    NO = "no"


@dataclass(frozen=True, slots=True)
class Owner:
    """A host, with the routers between it and the outermost network, and its mappings in each of them."""

    service: str
    addresses: frozenset[IPv4Address]
    routers: Sequence[str]
    """from the inside out"""
    states: Mapping[str, RouterState]
    mappings: Mapping[str, Sequence[NatMapping]]
    """by router, those that are the host's own"""

    @property
    def outside(self) -> set[IPv4Address]:
        """Every address at which it can be seen."""
        natted = {self.states[router].outside for router in self.routers}
        return {address for address in natted if address} | self.addresses

    def owns(self, protocol: str, endpoint: Endpoint) -> Owned:
        """Whether a socket is the host's, told from addresses and from the mappings that there are now."""
        if endpoint.address in self.addresses:
            return Owned.YES
        for router in self.routers:
            state = self.states[router]
            if state.outside != endpoint.address:
                continue
            if any((one.protocol, one.outside) == (protocol, str(endpoint)) for one in self.mappings[router]):
                return Owned.YES
            others = any((one.protocol, one.outside) == (protocol, str(endpoint)) for one in state.mappings)
            return Owned.NO if others else Owned.PERHAPS
        return Owned.NO


def owner(plan: Plan, states: Mapping[str, RouterState], service: str, addresses: Mapping[str, IPv4Address]) -> Owner:
    """A host with the addresses that it has now, by network, and everything that routers know of it."""
    routers = uplinks(plan, list(addresses) or list(plan.services[service].networks))
    known = [router for router in routers if router in states]
    own = frozenset(addresses.values())
    mappings: dict[str, list[NatMapping]] = {}
    sockets: set[tuple[str, str]] = set()
    for router in known:
        mine = [
            one
            for one in states[router].mappings
            if Endpoint.parse(one.inside).address in own or (one.protocol, one.inside) in sockets
        ]
        mappings[router] = mine
        sockets |= {(one.protocol, one.outside) for one in mine}
    return Owner(service, own, known, states, mappings)


def uplinks(plan: Plan, networks: Sequence[str]) -> list[str]:
    """The routers with an uplink that lead out of a host's networks, from the inside out."""
    found: list[str] = []
    waiting = list(networks)
    while waiting:
        network = waiting.pop(0)
        for router in plan.routers():
            outer = uplink(plan, router)
            known = router.name in found or network not in router.networks
            if outer and outer != network and not known and _leads_out(plan, network, router):
                found.append(router.name)
                waiting.append(outer)
    return found


def _leads_out(plan: Plan, network: str, router: Service) -> bool:
    """Whether a network's hosts take this router as their gateway; where the file names none, any will do."""
    gateway = plan.networks[network].gateway
    return gateway is None or gateway in own_addresses(router) or gateway == router.networks[network]
