"""What the observations mean, in the words of NAT profiles. Pure, and without an idea of what was expected."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from itertools import pairwise

from macula.nat.profile import Filtering, Input, Ports, Tcp, Udp
from macula.nat.profile import Mapping as MappingKind

from macula_lab.probe.endpoint import Endpoint
from macula_lab.probe.observations import Asking, EarlyProbe, Idle, Observations, Place, Story
from macula_lab.probe.tcp import Outcome
from macula_lab.probe.udp import PORT_UNREACHABLE, PROHIBITED


class Part(StrEnum):
    """What is told about a NAT."""

    UDP = "udp"
    TCP = "tcp"
    TCP_IN = "tcp_in"
    """what an outsider gets who connects to the outside address"""
    TRANSLATION = "translation"
    MAPPING = "mapping"
    PORTS = "ports"
    BLOCK = "block"
    """first and last outside port seen of a NAT that keeps to few"""
    FILTERING = "filtering"
    HAIRPIN = "hairpin"
    NEIGHBOURS = "neighbours"
    """two hosts inside that use the same port"""
    PRIVATE = "private"
    """whether private addresses are reached from outside"""
    INPUT = "input"
    EARLY = "early"
    """whether a socket still gets its own port when its peer has sent to it first"""
    EARLY_MAPPED = "early_mapped"
    """whether a mapping still serves when a peer who was not let in has sent to it first"""
    DENIED = "denied"
    """what those get who are not let in"""
    CHECKSUM = "checksum"
    """whether datagrams without a checksum arrive"""
    LEAK = "leak"
    """whether private addresses are seen outside"""
    ICMP = "icmp"
    """errors from outside about packets from inside"""
    LIFETIME = "lifetime"
    """in seconds: alive after the first number, gone by the second"""
    REFRESH = "refresh"
    """packets of which direction keep a mapping alive"""
    RENEWED = "renewed"
    """what becomes of a mapping whose host sends in time"""
    ANSWERS = "answers"
    """the same, when it only answers flows that others began"""
    SOCKETS = "sockets"
    """how many of one host get a port"""
    SESSIONS = "sessions"
    """how many flows one host gets"""
    TCP_AFTER = "tcp_after"
    """what a TCP connection of that host gets then"""


Observed = Mapping[Part, str]

NOTHING = "no answer"
SEQUENTIAL_STEPS = range(1, 9)
"""from one new mapping to the next; a random port follows another so closely once in 8,000 times"""
BLOCK_SPAN = 4096
"""ports closer together than this are from a block: eight random ones are once in 10^7 times"""
TRANSLATED, UNTRANSLATED = "yes", "no"
APART, SHARED, MOVED = "apart", "shared", "moved"
UNREACHED = "unreached"
FREE, TAKEN = "free", "taken"
SILENT, ANSWERED = "silent", "answered"
PASSED, LOST = "passed", "lost"
KEPT = "kept"
OFF_ANSWERED = "off, refused"
IN_PART = "in part"
TIGHT, LEAKS = "tight", "leaks"


def judge(seen: Observations) -> Observed:
    """Everything that can be told."""
    told: dict[Part, str] = {}
    for part, judgement in _JUDGEMENTS.items():
        if (word := judgement(seen)) is not None:
            told[part] = word
    return told


def _udp(seen: Observations) -> str | None:
    if seen.contact is None:
        return None
    if seen.contact.seen:
        return Udp.ALLOW
    if seen.contact.arrived:
        return "no answers"
    return Udp.REJECTED if PROHIBITED in seen.contact.errors else " ".join((Udp.BLOCKED, *seen.contact.errors))


def _tcp(seen: Observations) -> str | None:
    if seen.tcp is None:
        return None
    opened = {port for port, connecting in seen.tcp.items() if connecting.outcome is Outcome.OPEN}
    if not opened:
        return "blocked"
    return Tcp.ALLOW if len(opened) == len(seen.tcp) else f"{opened.pop()}-only"


def _translation(seen: Observations) -> str | None:
    """Of UDP and of TCP, which must be the same."""
    pairs: list[tuple[str, Endpoint]] = []
    if seen.contact and seen.contact.seen:
        pairs.append((seen.contact.local.address, seen.contact.seen))
    pairs += [(one.local.address, one.seen) for one in (seen.tcp or {}).values() if one.seen]
    if not pairs:
        return None
    kept = {local == outside.address for local, outside in pairs}
    if kept == {True}:
        return UNTRANSLATED
    return TRANSLATED if kept == {False} and len({outside.address for _, outside in pairs}) == 1 else IN_PART


def _mapping(seen: Observations) -> str | None:
    return mapping_of([asking for asking in seen.sockets or () if len(asking.seen) > 1])


def mapping_of(askings: Sequence[Asking]) -> str | None:
    """The mapping behaviour that all of these sockets agree with; None when there are none."""
    sights = [dict(asking.seen) for asking in askings]
    if not sights:
        return None
    if any(len({e for place, e in asking.seen if place is wanted}) > 1 for asking in askings for wanted in Place):
        return "unstable"
    if not all(endpoint for sight in sights for endpoint in sight.values()):
        return NOTHING
    if all(len(set(sight.values())) == 1 for sight in sights):
        return MappingKind.ENDPOINT_INDEPENDENT
    if all(
        sight[Place.PRIMARY] == sight[Place.OTHER_PORT] and sight[Place.OTHER_ADDRESS] == sight[Place.OTHER_BOTH]
        for sight in sights
    ):
        return MappingKind.ADDRESS_DEPENDENT
    if any(len(set(sight.values())) == len(sight) for sight in sights):
        return MappingKind.ADDRESS_AND_PORT_DEPENDENT
    return "irregular"


def _ports(seen: Observations) -> str | None:
    if not seen.sockets:
        return None
    firsts = [(asking.local.port, asking.seen[0][1]) for asking in seen.sockets]
    if not all(outside for _, outside in firsts):
        return NOTHING
    kept = [outside is not None and inside == outside.port for inside, outside in firsts]
    if all(kept):
        return Ports.PRESERVE
    new = _new_ports(seen.sockets)
    if len(new) < 4:
        return None
    steps = [after - before for before, after in pairwise(new)]
    if sum(step not in SEQUENTIAL_STEPS for step in steps) <= (min(steps, default=0) < 0):
        return Ports.SEQUENTIAL
    if max(new) - min(new) < BLOCK_SPAN:
        return Ports.BLOCK
    return "preserve in part" if sum(kept) > 1 else Ports.RANDOM


def _block(seen: Observations) -> str | None:
    if _ports(seen) != Ports.BLOCK:
        return None
    new = _new_ports(seen.sockets or ())
    return f"{min(new)}-{max(new)}"


def _new_ports(askings: Iterable[Asking]) -> list[int]:
    """The outside port of each new mapping, in the order in which they were made."""
    return [endpoint.port for asking in askings for endpoint in dict.fromkeys(e for _, e in asking.seen) if endpoint]


def _filtering(seen: Observations) -> str | None:
    if seen.filtering is None:
        return None
    came = {place for place, arrived in seen.filtering.came.items() if arrived}
    if came == set(seen.filtering.came):
        return Filtering.ENDPOINT_INDEPENDENT
    if came == {Place.OTHER_PORT}:
        return Filtering.ADDRESS_DEPENDENT
    return "irregular" if came else Filtering.ADDRESS_AND_PORT_DEPENDENT


def _hairpin(seen: Observations) -> str | None:
    if seen.hairpin is None:
        return None
    source = seen.hairpin.source
    if source is None:
        return OFF_ANSWERED if seen.hairpin.errors else "off"
    if source.address != seen.hairpin.sender_outside.address:
        return f"on, but from {source.address}"
    if _mapping(seen) == MappingKind.ENDPOINT_INDEPENDENT and source != seen.hairpin.sender_outside:
        return f"on, but from another port, {source.port}"
    return "on" if seen.hairpin.answered else "on, but one way"


def _neighbours(seen: Observations) -> str | None:
    if seen.neighbours is None:
        return None
    if not all(endpoint for asking in seen.neighbours for _, endpoint in asking.seen):
        return NOTHING
    if not apart(seen.neighbours):
        return SHARED
    usual = _mapping(seen)
    return APART if usual in (None, mapping_of(seen.neighbours)) else MOVED


def apart(askings: tuple[Asking, Asking]) -> bool:
    """Whether no outside endpoint was seen of both sockets."""
    first, second = ({endpoint for _, endpoint in asking.seen if endpoint} for asking in askings)
    return not first & second


def _private(seen: Observations) -> str | None:
    if seen.intrusion is None:
        return None
    ways = [one.protocol + (" to a mapped socket" if one.mapped else "") for one in seen.intrusion if one.reached]
    return f"reached by {', '.join(ways)}" if ways else UNREACHED


def _tcp_in(seen: Observations) -> str | None:
    return None if seen.tcp_in is None else seen.tcp_in.outcome


def _input(seen: Observations) -> str | None:
    if seen.unsolicited is None:
        return None
    return Input.ACCEPT if PORT_UNREACHABLE in seen.unsolicited.errors else Input.DROP


def _early(seen: Observations) -> str | None:
    return next((_gets(probe, probe.local.port) for probe in seen.early or () if probe.mapped is None), None)


def _early_mapped(seen: Observations) -> str | None:
    return next((_gets(probe, probe.mapped.port) for probe in seen.early or () if probe.mapped), None)


def _gets(probe: EarlyProbe, port: int) -> str:
    if probe.seen is None:
        return NOTHING
    return FREE if probe.seen.port == port else TAKEN


def _denied(seen: Observations) -> str | None:
    if seen.early is None:
        return None
    answered = {PORT_UNREACHABLE in probe.errors for probe in seen.early if not probe.let_in}
    return IN_PART if len(answered) > 1 else ANSWERED if True in answered else SILENT


def _checksum(seen: Observations) -> str | None:
    if seen.unchecked is None:
        return None
    if not seen.unchecked.answered and not seen.unchecked.answered_neighbour:
        return LOST
    return PASSED if seen.unchecked.answered and seen.unchecked.answered_neighbour else IN_PART


def _leak(seen: Observations) -> str | None:
    if seen.leak is None or seen.contact is None:
        return None
    return LEAKS if seen.leak == seen.contact.local.address else TIGHT


def _icmp(seen: Observations) -> str | None:
    if seen.icmp is None:
        return None
    return PASSED if PORT_UNREACHABLE in seen.icmp else LOST


def _lifetime(seen: Observations) -> str | None:
    stories = _stories(seen)
    kept, gone = stories.get(Story.KEPT), stories.get(Story.GONE)
    if kept is None or gone is None:
        return None
    lives = {kept.idle: kept.alive, gone.idle: gone.alive or gone.obstructed}
    alive = max((idle for idle, lives_on in lives.items() if lives_on), default=0.0)
    dead = min((idle for idle, lives_on in lives.items() if not lives_on), default=float("inf"))
    return f"{alive:.1f}-{dead:.1f}"


def _refresh(seen: Observations) -> str | None:
    stories = _stories(seen)
    if not stories:
        return None
    ways = {"outbound": stories[Story.RENEWED].alive, "inbound": stories[Story.INBOUND].alive}
    return " and ".join(way for way, renews in ways.items() if renews) or "none"


def _renewed(seen: Observations, story: Story) -> str | None:
    renewed = _stories(seen).get(story)
    if renewed is None:
        return None
    if not renewed.alive:
        return LOST
    return MOVED if renewed.moved else KEPT


def _stories(seen: Observations) -> dict[Story, Idle]:
    return {one.story: one for one in seen.idle or ()}


def _sockets(seen: Observations) -> str | None:
    if seen.crowd is None:
        return None
    if len(set(seen.crowd.outside)) < len(seen.crowd.outside):
        return SHARED
    answered = len(seen.crowd.outside)
    return f"more than {answered - 1}" if answered == seen.crowd.asked else str(answered)


def _sessions(seen: Observations) -> str | None:
    if seen.sessions is None:
        return None
    limit = seen.sessions.limit
    if not seen.sessions.last:
        return f"fewer than {limit}"
    return f"more than {limit}" if seen.sessions.beyond else str(limit)


def _tcp_after(seen: Observations) -> str | None:
    return None if seen.sessions is None else seen.sessions.tcp.outcome


_JUDGEMENTS: dict[Part, Callable[[Observations], str | None]] = {
    Part.UDP: _udp,
    Part.TCP: _tcp,
    Part.TCP_IN: _tcp_in,
    Part.TRANSLATION: _translation,
    Part.MAPPING: _mapping,
    Part.PORTS: _ports,
    Part.BLOCK: _block,
    Part.FILTERING: _filtering,
    Part.HAIRPIN: _hairpin,
    Part.NEIGHBOURS: _neighbours,
    Part.PRIVATE: _private,
    Part.INPUT: _input,
    Part.EARLY: _early,
    Part.EARLY_MAPPED: _early_mapped,
    Part.DENIED: _denied,
    Part.CHECKSUM: _checksum,
    Part.LEAK: _leak,
    Part.ICMP: _icmp,
    Part.LIFETIME: _lifetime,
    Part.REFRESH: _refresh,
    Part.RENEWED: lambda seen: _renewed(seen, Story.RENEWED),
    Part.ANSWERS: lambda seen: _renewed(seen, Story.ANSWERED),
    Part.SOCKETS: _sockets,
    Part.SESSIONS: _sessions,
    Part.TCP_AFTER: _tcp_after,
}
