"""Packets as they cross routers: what came in on one side joined with what went out on the other."""

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from macula_lab.evidence.packets import Endpoint, Packet

SHAPER_MAC = bytes.fromhex("027368617065")
"""The source address of frames that a router's link shaper puts back on the wire."""

WINDOW = 30.0
"""Seconds within which a packet that came in goes out, links included."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A packet at one interface of a router."""

    router: str
    network: str
    outbound: bool
    """whether the router sent it there"""
    packet: Packet

    @property
    def tuple(self) -> tuple[str, Endpoint, Endpoint]:
        """Protocol, source and target, as they were there."""
        return self.packet.protocol, self.packet.source, self.packet.target


@dataclass(frozen=True, slots=True)
class Crossing:
    """What one router did with one packet: it came in, and went out unless the router kept or dropped it."""

    came: Sighting
    went: Sighting | None


def sightings(router: str, network: str, mac: bytes, packets: Iterable[Packet]) -> list[Sighting]:
    """The packets that came to or left an interface whose own hardware address is `mac`.

    A bridge also sends it what is for a host that it does not know.
    """
    seen = []
    for packet in packets:
        outbound = packet.from_mac == mac or (packet.from_mac == SHAPER_MAC and packet.to_mac != mac)
        if (outbound or packet.to_mac == mac) and not packet.target.address.is_multicast:
            seen.append(Sighting(router, network, outbound, packet))
    return seen


def crossings(seen: Sequence[Sighting]) -> list[Crossing]:
    """Joins the sightings at one router, in the order in which the packets came.

    A packet is the same one on both sides when its identity is and its TTL is one lower; of several alike, the one that
    came last, since those before it are most likely the ones that were dropped. What the router itself sent came from
    nowhere and is left out; of a packet that left twice, each copy is a crossing.
    """
    waiting: defaultdict[tuple[bytes, int], list[int]] = defaultdict(list)
    passed: dict[tuple[bytes, int], int] = {}
    joined: list[Crossing] = []
    for sighting in sorted(seen, key=lambda one: (one.packet.time, one.outbound)):
        packet = sighting.packet
        if not sighting.outbound:
            waiting[packet.identity, packet.ttl - 1].append(len(joined))
            joined.append(Crossing(sighting, None))
            continue
        key = packet.identity, packet.ttl
        if waiting[key] and within(joined[waiting[key][-1]].came, sighting):
            passed[key] = waiting[key].pop()
            joined[passed[key]] = Crossing(joined[passed[key]].came, sighting)
        elif key in passed and within(joined[passed[key]].came, sighting):
            joined.append(Crossing(joined[passed[key]].came, sighting))
    return joined


def within(came: Sighting, went: Sighting) -> bool:
    """Whether one sighting can be of the same packet as an earlier one."""
    return went.packet.time - came.packet.time <= WINDOW


def journeys(crossed: Iterable[Crossing]) -> list[tuple[Crossing, ...]]:
    """Follows each packet from router to router: what left one for a network came to the next one there."""
    ordered = sorted(crossed, key=lambda one: one.came.packet.time)
    arrivals: defaultdict[tuple[object, ...], deque[int]] = defaultdict(deque)
    for number, crossing in enumerate(ordered):
        arrivals[on_the_wire(crossing.came)].append(number)
    followed: set[int] = set()
    found: list[tuple[Crossing, ...]] = []
    for number, crossing in enumerate(ordered):
        if number in followed:
            continue
        path = [crossing]
        while went := path[-1].went:
            here = arrivals[on_the_wire(went)]
            while here and here[0] <= number:
                here.popleft()
            if not here:
                break
            followed.add(here[0])
            path.append(ordered[here.popleft()])
        found.append(tuple(path))
    return found


def on_the_wire(sighting: Sighting) -> tuple[object, ...]:
    """What two routers on one network see alike of a packet."""
    packet = sighting.packet
    return sighting.network, packet.identity, packet.ttl, packet.source, packet.target
