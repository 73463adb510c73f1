"""Whom to probe, in which order and how often, from what is known of both NATs."""

from __future__ import annotations

from dataclasses import dataclass

from macula.core.address import Address
from macula.nat.facts import Facts
from macula.nat.prediction import predict
from macula.nat.profile import Filtering, Mapping
from macula.nat.punching.candidates import (
    Candidate,
    CandidateKind,
    Tier,
    is_private,
    outside_hosts,
    private_block,
    tier_of,
)
from macula.nat.punching.offer import Side

OFFSETS = (0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.2, 7.2)
"""Seconds after the beginning at which a target is tried. The first five serve links of up to 400 ms and lost packets;
the rest, 2 s apart at most, a peer that begins late."""
SPARSE = (0, 2, 4, 5, 6)
"""Tries of guessed ports and of addresses seen: what opens a filter need not be repeated so often."""
FEW = (0, 2, 4)
"""Tries of private addresses: who is there answers at once, and it may be a stranger in this node's own network."""
ALL = tuple(range(len(OFFSETS)))
WINDOW = 8
"""Ports guessed ahead of a sequence: other flows behind the same NAT may take some meanwhile."""
MAX_PRIVATE = 4
MAX_TARGETS = 8
"""Most addresses that a peer told which are probed, the guessed ports not counted."""


@dataclass(frozen=True, slots=True)
class Target:
    """An address to probe: the tier of its path, and which of OFFSETS it is tried at."""

    address: Address
    kind: CandidateKind
    tier: Tier
    tries: tuple[int, ...]


def plan(mine: Side, theirs: Side, *, leads: bool = False) -> tuple[Target, ...]:
    """The targets in the order in which they are to be sent to; `leads` is true for one of the two sides.

    The order counts behind a sequential NAT: each new target takes its next port, and the peer sends to these in turn.
    If both are sequential, the n-th packet goes to the other's n-th next port, and leaves from the own n-th. Should
    other flows take some of these ports meanwhile, d in all, none would meet another, so that the leader skips every
    second port: its packet d + 1 then goes to the port from which the peer sends to where this packet leaves from.
    Otherwise the peer's outside address comes first, so that it is reached from the very next port.
    """
    told = [_target(one, mine, theirs) for one in theirs.candidates]
    targets = sorted((one for one in told if one is not None), key=_place)
    private = [one for one in targets if one.tries == FEW][:MAX_PRIVATE]
    targets = [one for one in targets if one.tries != FEW][:MAX_TARGETS] + private
    known = {one.address for one in targets}
    return (*(one for one in _predicted(mine.facts, theirs, leads) if one.address not in known), *targets)


def tier_of_seen(address: Address, mine: Side) -> Tier:
    """The tier of a path to an address that the peer was seen at."""
    if ":" in address.host:
        return Tier.LAN if is_private(address) else Tier.IPV6
    inside = is_private(address) and not any(is_private(Address(host, 1)) for host in outside_hosts(mine.candidates))
    return Tier.LAN if inside else Tier.IPV4


def why_not(mine: Facts, theirs: Facts) -> str | None:
    """Why the two cannot meet directly by what is known of their NATs, in a sentence; None if they may."""
    a, b = mine.profile, theirs.profile
    if a is None or b is None:
        return None
    prediction = predict(a, b)
    return None if prediction.direct else prediction.reason


def _target(one: Candidate, mine: Side, theirs: Side) -> Target | None:
    tier = tier_of(one)
    block = private_block(one.address)
    if block is None:
        return Target(one.address, one.kind, tier, ALL) if mine.facts.udp else None
    if one.kind is CandidateKind.INTERFACE:
        near = outside_hosts(mine.candidates) & outside_hosts(theirs.candidates)
        near_by = any(block == private_block(own.address) for own in mine.candidates)
        return Target(one.address, one.kind, tier, FEW) if near or near_by else None
    # Only in a network whose observers have private addresses too can such an address be an outside one.
    seen_so = any(is_private(own.address) for own in mine.candidates if own.kind is not CandidateKind.INTERFACE)
    return Target(one.address, one.kind, tier, ALL if seen_so else FEW) if mine.facts.udp else None


def _place(target: Target) -> int:
    if target.tries == FEW:
        return 2
    return 1 if target.kind is CandidateKind.INTERFACE else 0


def _predicted(mine: Facts, theirs: Side, leads: bool) -> list[Target]:
    lets_in = mine.open or (
        mine.mapping is Mapping.ENDPOINT_INDEPENDENT and mine.filtering is Filtering.ADDRESS_DEPENDENT
    )
    # What they let in must come from a port that they sent to, and nobody could tell them which.
    unknown = mine.dependent and not mine.predictable
    shut_out = unknown and theirs.facts.filtering is Filtering.ADDRESS_AND_PORT_DEPENDENT
    if lets_in or shut_out or not mine.udp or not theirs.facts.predictable:
        return []
    seen = (one for one in theirs.candidates if one.kind is CandidateKind.REFLEXIVE and ":" not in one.address.host)
    reflexive = next(seen, None)
    if reflexive is None:
        return []
    stride = 2 if leads and mine.predictable else 1
    ports = (theirs.facts.last_port + theirs.facts.delta * step for step in range(1, stride * WINDOW + 1, stride))
    return [
        Target(Address(reflexive.address.host, port), CandidateKind.PREDICTED, Tier.IPV4, SPARSE)
        for port in ports
        if 1024 <= port <= 65_535
    ]
