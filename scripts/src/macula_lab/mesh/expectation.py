"""What a mesh must be able to do in a topology, and what it must not: told from the file and its NATs, before it is up.

A node connects to whom it can dial, by UDP or else over TCP, and where neither can dial the other, through a relay
that both can; from there it gets direct where their NATs allow it, known or guessed ports and all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import AddressValueError, IPv4Address

from macula.nat.prediction import predict_behind
from macula.nat.profile import Profile, Udp, parse

from macula_lab.composefile.plan import Plan, Service
from macula_lab.composefile.routes import route

BOOTSTRAP = "bootstrap"
EDGE = "edge"


class Path(StrEnum):
    """How a call gets to its provider, in the node's own words."""

    DIRECT = "direct"
    RELAYED = "relayed"
    NONE = "none"
    """not at all: one that gets there is as wrong as one that should and does not"""


@dataclass(frozen=True, slots=True)
class Call:
    """A call that is made to prove the mesh."""

    caller: str
    provider: str
    path: Path


@dataclass(frozen=True, slots=True)
class Expectation:
    """Who makes up the mesh, and the calls that prove it."""

    members: Mapping[str, int]
    """the nodes that join, each with the contacts that it must have in its routing table at least"""
    cut_off: Mapping[str, str]
    """the nodes that cannot join, and why: they are not ready, and nobody is connected to them"""
    calls: tuple[Call, ...]
    """of every edge to a bootstrap, and around the edges, each to the next one, by `demo.whoami`"""
    hidden: frozenset[str] = frozenset()
    """the members that have to be reached through relays"""


def profiles(plan: Plan) -> dict[str, Profile]:
    """The NAT of each router, as the file has it. Raises ProfileError for one that does not exist."""
    return {router.name: parse(router.environment.get("NAT") or "none") for router in plan.routers()}


def expect(plan: Plan, nats: Mapping[str, Profile]) -> Expectation:
    """What must hold for the nodes of `plan` while its routers are these NATs."""
    nodes = [service for service in plan.services.values() if service.is_node]
    cut_off = {node.name: why for node in nodes if (why := _obstacle_to_joining(plan, nats, node))}
    joined = [node for node in nodes if node.name not in cut_off]
    members = {node.name: _least_contacts(plan, nats, node, joined) for node in joined}

    def call(caller: Service, provider: Service) -> Call:
        return Call(caller.name, provider.name, _path(plan, nats, caller, provider, cut_off))

    providers = [node for node in nodes if node.environment.get("MACULA_DEMO") == "true"]
    entries = [node for node in providers if node.role == BOOTSTRAP]
    edges = [node for node in providers if node.role == EDGE]
    calls = [call(edge, entry) for edge in edges for entry in entries[:1]]
    if len(edges) > 1:
        calls += [call(*pair) for pair in zip(edges, [*edges[1:], edges[0]], strict=True)]
    hidden = frozenset(node.name for node in joined if node.environment.get("MACULA_REACHABLE") == "no")
    return Expectation(members, cut_off, tuple(calls), hidden)


def obstacle(plan: Plan, nats: Mapping[str, Profile], caller: str, target: IPv4Address, *, tcp: bool) -> str:
    """Why neither a UDP packet of `caller` arrives at `target` nor, if both use `tcp`, one of TCP at its port 443, that
    every NAT of ours lets out; empty when one does."""
    way = route(plan, caller, target)
    if way is None:
        return f"no route leads to {target}"
    for crossing in way:
        nat = nats[crossing.router]
        if crossing.outward and nat.udp is not Udp.ALLOW and not tcp:
            return f"{crossing.router} lets no UDP out (udp={nat.udp}), and one of the two does not use TCP"
        if crossing.inward and nat.translates:
            return f"{target} is behind the NAT {crossing.router}"
    return ""


def _obstacle_to_joining(plan: Plan, nats: Mapping[str, Profile], node: Service) -> str:
    """Why none of the node's bootstraps can be reached; empty when one can, or when it needs none."""
    nodes = [service for service in plan.services.values() if service.is_node]
    takers = {address for other in nodes if _takes_tcp(other) for address in other.networks.values()}
    obstacles = [
        obstacle(plan, nats, node.name, entry, tcp=_uses_tcp(node) and entry in takers) for entry in _bootstraps(node)
    ]
    return obstacles[0] if obstacles and all(obstacles) else ""


def _uses_tcp(node: Service) -> bool:
    return node.environment.get("MACULA_TCP", "").lower() != "false"


def _takes_tcp(node: Service) -> bool:
    return _uses_tcp(node) and node.environment.get("MACULA_MODE") != EDGE


def _bootstraps(node: Service) -> list[IPv4Address]:
    found = []
    for word in node.environment.get("MACULA_BOOTSTRAP_PEERS", "").split(","):
        host = word.rpartition("@")[2].rpartition("//")[2].partition(":")[0].strip()
        try:
            found.append(IPv4Address(host))
        except AddressValueError:
            continue
    return found


def _can_dial(plan: Plan, nats: Mapping[str, Profile], caller: Service, peer: Service) -> bool:
    if peer.environment.get("MACULA_REACHABLE") == "no":
        return False
    addresses = [address for address in peer.networks.values() if address is not None]
    tcp = _uses_tcp(caller) and _takes_tcp(peer)
    return any(not obstacle(plan, nats, caller.name, address, tcp=tcp) for address in addresses)


def _least_contacts(plan: Plan, nats: Mapping[str, Profile], node: Service, joined: list[Service]) -> int:
    """A node that serves the DHT gets to know all others that do; one that only asks need know but one."""
    others = [other for other in joined if other is not node]
    servers = [other for other in others if _can_dial(plan, nats, node, other)]
    serves = any(_can_dial(plan, nats, other, node) for other in others)
    return len(servers) if serves else min(len(servers), 1)


def _path(
    plan: Plan, nats: Mapping[str, Profile], caller: Service, provider: Service, cut_off: Mapping[str, str]
) -> Path:
    if caller.name in cut_off or provider.name in cut_off:
        return Path.NONE
    dialed = _can_dial(plan, nats, caller, provider) or _can_dial(plan, nats, provider, caller)
    return Path.DIRECT if dialed or _can_meet(plan, nats, caller, provider) else Path.RELAYED


def _can_meet(plan: Plan, nats: Mapping[str, Profile], one: Service, other: Service) -> bool:
    """Whether probes of both get through: in the networks that they share, or by what the NATs before them allow."""
    if _in_sight(plan, nats, one, other) and _in_sight(plan, nats, other, one):
        return True
    return predict_behind(_nats_before(plan, nats, one), _nats_before(plan, nats, other)).direct


def _in_sight(plan: Plan, nats: Mapping[str, Profile], caller: Service, peer: Service) -> bool:
    addresses = [address for address in peer.networks.values() if address is not None]
    return any(not obstacle(plan, nats, caller.name, address, tcp=False) for address in addresses)


def _nats_before(plan: Plan, nats: Mapping[str, Profile], node: Service) -> dict[str, Profile]:
    """What its packets to a bootstrap pass outward, the nearest first."""
    for entry in _bootstraps(node):
        way = route(plan, node.name, entry)
        if way is not None:
            return {one.router: nats[one.router] for one in way if one.outward}
    return {}
