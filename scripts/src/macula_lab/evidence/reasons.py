"""Why a router dropped packets between two hosts, concluded from the drop and from the mappings that there are."""

from dataclasses import dataclass

from macula.nat.profile import Filtering
from macula.nat.profile import Mapping as NatMapping

from macula_lab.evidence.owners import Owner
from macula_lab.evidence.packets import Endpoint
from macula_lab.evidence.routers import Drop, Mapping, RouterState

REMAPPED = "remapped port"


@dataclass(frozen=True, slots=True)
class Finding:
    """Packets of one host for the other that a router dropped, and why."""

    router: str
    reason: str
    """as recorded (no_mapping, filtered, blocked, exhausted, private, partitioned), or `remapped port`"""
    recorded: str
    protocol: str
    source: str
    destination: str
    packets: int
    explanation: str
    remedy: str
    certain: bool = True
    """False when a socket belongs to nobody now, so that the packets may have been another host's"""


def explain(drop: Drop, router: str, state: RouterState, sender: Owner, receiver: Owner, certain: bool) -> Finding:
    """What a drop means for the two hosts."""
    reason, explanation, remedy = _conclude(drop, router, state, sender, receiver)
    return Finding(
        router=router,
        reason=reason,
        recorded=drop.reason,
        protocol=drop.protocol,
        source=drop.source,
        destination=drop.destination,
        packets=drop.packets,
        explanation=explanation,
        remedy=remedy,
        certain=certain,
    )


def _conclude(drop: Drop, router: str, state: RouterState, sender: Owner, receiver: Owner) -> tuple[str, str, str]:
    nat = state.nat
    match drop.reason:
        case "filtered" | "no_mapping":
            return _unsolicited(drop, router, state, sender, receiver)
        case "blocked":
            policy = f"udp={nat.udp}" if drop.protocol == "udp" else f"{drop.protocol}={nat.tcp}"
            told = f"{router} lets no such {drop.protocol.upper()} of {sender.service} out ({policy})"
            return drop.reason, told, "only what its policy allows gets out: a relay over TCP port 443"
        case "exhausted":
            limit = f"sessions={nat.sessions}" if nat.sessions else f"ports={nat.ports}, block={_dashed(nat.block)}"
            told = f"{router} had no flow or port left to give ({limit}), {len(state.mappings)} mappings are there"
            return drop.reason, told, f"use fewer sockets, or wait until mappings expire ({nat.lifetime} s)"
        case "private":
            told = f"{drop.destination} is an inside address of {receiver.service}, and this came from outside"
            seen = ", ".join(sorted({one.outside for one in receiver.mappings.get(router, ())})) or "none now"
            return drop.reason, told, f"aim at where {receiver.service} is seen from outside ({seen})"
        case "partitioned":
            cut = ", ".join(map(str, state.partitioned)) or "none any more"
            return drop.reason, f"{router} cut networks off (now: {cut})", "macula-lab event heal NETWORK"
        case other:
            return other, f"{router} recorded: {other}", ""


def _unsolicited(drop: Drop, router: str, state: RouterState, sender: Owner, receiver: Owner) -> tuple[str, str, str]:
    """A packet from outside that found no way in: the port may be the wrong one on either side."""
    source = Endpoint.parse(drop.source)
    own = [one for one in receiver.mappings.get(router, ()) if one.protocol == drop.protocol]
    hit = next((one for one in own if one.outside == drop.destination), None)
    towards = next((one for one in own if one is not hit and _sent_to(one, source)), None)
    # One that gives each inside socket a single port has no other for this destination.
    by_destination = state.nat.mapping is not NatMapping.ENDPOINT_INDEPENDENT
    if towards and by_destination and (hit is None or towards.inside == hit.inside):
        told = (
            f"{sender.service} aimed at {drop.destination}, but towards {source.address} {router} gave "
            f"{receiver.service} the port {towards.outside}: {router} maps by destination (mapping={state.nat.mapping})"
        )
        return REMAPPED, told, f"aim at {towards.outside}, or predict the port"
    if hit and (expected := _sent_to(hit, source)) and expected != drop.source:
        told = (
            f"{receiver.service} has sent to {expected}, but {sender.service} comes from {drop.source}, and {router} "
            f"lets in only whom it was sent to (filtering={state.nat.filtering}){_why_moved(sender, expected, drop)}"
        )
        return REMAPPED, told, f"send to {drop.source}, or predict the port"
    if drop.reason == "filtered":
        what = "address" if state.nat.filtering is Filtering.ADDRESS_DEPENDENT else "socket"
        known = f"it has sent to {', '.join(hit.remotes)}" if hit and hit.remotes else "whom it sent to is not known"
        told = f"{receiver.service} has not sent to this {what} through {drop.destination} ({known})"
        return drop.reason, told, f"{receiver.service} must send to {drop.source} first, or at the same time"
    there = ", ".join(f"{one.inside} at {one.outside}" for one in own) or "none"
    told = f"nobody behind {router} is at {drop.destination}; mappings of {receiver.service}: {there}"
    return drop.reason, told, f"{receiver.service} must send first; a mapping lives {state.nat.lifetime} s unused"


def _sent_to(mapping: Mapping, other: Endpoint) -> str | None:
    """Where a mapping has sent to at the address of `other`."""
    return next((one for one in mapping.remotes if Endpoint.parse(one).address == other.address), None)


def _why_moved(sender: Owner, expected: str, drop: Drop) -> str:
    """What the sender's own NAT says to its two outside sockets."""
    for router, mappings in sender.mappings.items():
        outside = {one.outside: one.inside for one in mappings if one.protocol == drop.protocol}
        inside = outside.get(drop.source)
        if inside and outside.get(expected) == inside:
            mapping = sender.states[router].nat.mapping
            return f"; {router} gave {inside} both ports, one for each destination (mapping={mapping})"
    return ""


def _dashed(block: tuple[int, int]) -> str:
    return f"{block[0]}-{block[1]}"
