"""The table of flows: packets that were treated alike, with what each router on their way did to them."""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import NamedTuple

from macula_lab.evidence.crossings import Crossing, Sighting
from macula_lab.evidence.packets import Endpoint
from macula_lab.evidence.routers import RouterState

Ends = tuple[Endpoint, Endpoint]
"""Source and target of a packet, as they are on one network."""

FORWARDED = "forwarded"
TRANSLATED = "translated"
DROPPED = "dropped"
LOST = "lost"
"""it came in, did not go out, and the router recorded no drop: lost on its link, or it came as the capture ended"""
KEPT = "kept"
"""it was for the router itself"""


@dataclass(frozen=True, slots=True)
class Hop:
    """What one router did to the packets of a flow, seen in the direction in which it began."""

    router: str
    came_from: str
    """the network on which they came"""
    came: Ends
    """source and target as seen there"""
    action: str
    """forwarded, translated, dropped, lost or kept"""
    went_to: str = ""
    went: Ends | None = None
    """source and target as seen on the network to which they went"""
    reason: str = ""
    """why they were dropped, as the router recorded it"""
    table: str = ""
    """what the router's own mappings say of a translation: confirmed, expired or contradicted"""


@dataclass(slots=True)
class Traffic:
    """What went in one direction."""

    packets: int = 0
    size: int = 0
    """bytes of IP packets"""
    first: float = 0.0
    last: float = 0.0
    notes: list[str] = field(default_factory=list)
    """what kinds of packets there were beside plain ones: SYN, echo request"""

    def add(self, sighting: Sighting) -> None:
        """One more packet."""
        packet = sighting.packet
        self.first = min(self.first, packet.time) if self.packets else packet.time
        self.last = max(self.last, packet.time)
        self.packets += 1
        self.size += packet.size
        if packet.note and packet.note not in self.notes:
            self.notes.append(packet.note)


@dataclass(slots=True)
class Flow:
    """Packets between two sockets that took the same way, and those that came back by it."""

    protocol: str
    hops: tuple[Hop, ...]
    forth: Traffic = field(default_factory=Traffic)
    back: Traffic = field(default_factory=Traffic)

    @property
    def source(self) -> Endpoint:
        """The socket that began, as its own network sees it."""
        return self.hops[0].came[0]

    @property
    def target(self) -> Endpoint:
        """Whom it aimed at."""
        return self.hops[0].came[1]

    @property
    def arrived(self) -> bool:
        """Whether the packets passed every router that saw them."""
        return self.hops[-1].action in (FORWARDED, TRANSLATED, KEPT)

    @property
    def first(self) -> float:
        """When the first packet came, in seconds since 1970."""
        return self.forth.first

    @property
    def last(self) -> float:
        """When the last one came, in either direction."""
        return max(self.forth.last, self.back.last)


class _Step(NamedTuple):
    """A packet at one router: the network it came from and its ends there, and the same of where it went."""

    router: str
    came_from: str
    came: Ends
    went_to: str
    went: Ends | None


_Way = tuple[str, tuple[_Step, ...]]
"""The protocol and every router on the way."""


def flows(
    journeys: Iterable[Sequence[Crossing]],
    states: Mapping[str, RouterState],
    own: Mapping[str, Container[IPv4Address]],
) -> list[Flow]:
    """Packets that took the same way, with those that came back by it; in the order in which they began.

    `states` and `own`, the addresses that are a router's own, are by router.
    """
    ways: defaultdict[_Way, Traffic] = defaultdict(Traffic)
    for journey in journeys:
        ways[_way(journey)].add(journey[0].came)
    found: dict[_Way, Flow] = {}
    for way, traffic in sorted(ways.items(), key=lambda item: item[1].first):
        if forth := found.get(_reverse(way) or way):
            forth.back = traffic
        else:
            protocol, steps = way
            hops = tuple(judge(protocol, step, states.get(step.router), own.get(step.router, ())) for step in steps)
            found[way] = Flow(protocol, hops, forth=traffic)
    return list(found.values())


def judge(protocol: str, step: _Step, state: RouterState | None, own: Container[IPv4Address]) -> Hop:
    """What a router did to a packet, told from where it went and what the router recorded."""
    router, came_from, came, went_to, went = step
    if went == came:
        return Hop(router, came_from, came, FORWARDED, went_to, went)
    if went:
        return Hop(router, came_from, came, TRANSLATED, went_to, went, table=_table(protocol, came, went, state))
    if state is None:
        return Hop(router, came_from, came, LOST)
    source, target = map(str, came)
    hosts = [one.inside for one in state.mappings if (one.protocol, one.outside) == (protocol, target)]
    # A network that is cut off is looked at when the destination is final: there it is the host inside.
    ends = [(protocol, source, one) for one in (target, *hosts)]
    reasons = {drop.reason for drop in state.drops if (drop.protocol, drop.source, drop.destination) in ends}
    if reasons:
        return Hop(router, came_from, came, DROPPED, reason=", ".join(sorted(reasons)))
    return Hop(router, came_from, came, KEPT if came[1].address in own and not hosts else LOST)


def _table(protocol: str, came: Ends, went: Ends, state: RouterState | None) -> str:
    """Whether the router's own mappings say the same as its packets."""
    if state is None:
        return ""
    outwards = came[0] != went[0]
    inside, outside, remote = (came[0], went[0], came[1]) if outwards else (went[1], came[1], came[0])
    of_inside = [one for one in state.mappings if (one.protocol, one.inside) == (protocol, str(inside))]
    if any(one.outside == str(outside) for one in of_inside):
        return "confirmed"
    return "contradicted" if any(str(remote) in one.remotes for one in of_inside) else "expired"


def _way(journey: Sequence[Crossing]) -> _Way:
    steps = (_Step(one.came.router, one.came.network, _ends(one.came), *_gone(one.went)) for one in journey)
    return journey[0].came.packet.protocol, tuple(steps)


def _gone(went: Sighting | None) -> tuple[str, Ends | None]:
    return (went.network, _ends(went)) if went else ("", None)


def _ends(sighting: Sighting) -> Ends:
    return sighting.packet.source, sighting.packet.target


def _reverse(way: _Way) -> _Way | None:
    """The way back: every step from its other side. None when the packets did not get to the end."""
    protocol, steps = way
    back = [_Step(one.router, one.went_to, one.went[::-1], one.came_from, one.came[::-1]) for one in steps if one.went]
    return (protocol, tuple(reversed(back))) if len(back) == len(steps) else None
