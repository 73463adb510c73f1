"""What a prober must see of a NAT, and where it sees something else. Pure."""

from collections.abc import Collection
from dataclasses import dataclass

from macula.nat.profile import Filtering, Input, Mapping, Ports, Profile, Udp

from macula_lab.probe import judgement
from macula_lab.probe.checks import Check
from macula_lab.probe.judgement import BLOCK_SPAN, Observed, Part
from macula_lab.probe.tcp import Outcome

CHECKS = {
    Part.UDP: Check.CONTACT,
    Part.TCP: Check.TCP,
    Part.TCP_IN: Check.TCP,
    Part.TRANSLATION: Check.TCP,
    Part.MAPPING: Check.MAPPING,
    Part.PORTS: Check.MAPPING,
    Part.BLOCK: Check.MAPPING,
    Part.FILTERING: Check.FILTERING,
    Part.HAIRPIN: Check.HAIRPIN,
    Part.NEIGHBOURS: Check.NEIGHBOURS,
    Part.PRIVATE: Check.INTRUSION,
    Part.INPUT: Check.UNSOLICITED,
    Part.EARLY: Check.EARLY,
    Part.EARLY_MAPPED: Check.EARLY,
    Part.DENIED: Check.EARLY,
    Part.CHECKSUM: Check.CHECKSUM,
    Part.LEAK: Check.LEAK,
    Part.ICMP: Check.ICMP,
    Part.LIFETIME: Check.IDLE,
    Part.REFRESH: Check.IDLE,
    Part.RENEWED: Check.IDLE,
    Part.ANSWERS: Check.IDLE,
    Part.SOCKETS: Check.CROWD,
    Part.SESSIONS: Check.SESSIONS,
    Part.TCP_AFTER: Check.SESSIONS,
}
"""The check that shows each part."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A part of a NAT that is not as it is called."""

    part: str
    expected: str
    seen: str
    probe: str
    """what showed it"""

    def __str__(self) -> str:
        return f"{self.part}: expected {self.expected}, seen {self.seen or 'nothing'}"


def compare(nat: Profile, observed: Observed, checks: Collection[Check]) -> list[Mismatch]:
    """Everything that was looked at by these checks and is not what `nat` must show; missing is wrong too."""
    return [
        Mismatch(part, wanted, observed.get(part, ""), CHECKS[part])
        for part, wanted in expected(nat).items()
        if CHECKS[part] in checks and not _fits(part, wanted, observed.get(part))
    ]


def expected(nat: Profile) -> dict[Part, str]:
    """What each part must show; parts that this NAT says nothing about are left out."""
    told: dict[Part, str] = {Part.UDP: nat.udp, Part.TCP: nat.tcp}
    told[Part.TRANSLATION] = judgement.TRANSLATED if nat.translates else judgement.UNTRANSLATED
    if nat.translates:
        told |= _guarding(nat)
    if nat.udp is Udp.ALLOW:
        told |= {Part.NEIGHBOURS: judgement.APART, Part.ICMP: judgement.PASSED, Part.CHECKSUM: judgement.PASSED}
        told |= _translating(nat) if nat.translates else _routing()
    return told


def _routing() -> dict[Part, str]:
    return {
        Part.MAPPING: Mapping.ENDPOINT_INDEPENDENT,
        Part.PORTS: Ports.PRESERVE,
        Part.FILTERING: Filtering.ENDPOINT_INDEPENDENT,
    }


def _guarding(nat: Profile) -> dict[Part, str]:
    return {
        Part.PRIVATE: judgement.UNREACHED,
        Part.INPUT: nat.input,
        Part.TCP_IN: Outcome.SILENT,
        Part.LEAK: judgement.TIGHT,
    }


def _translating(nat: Profile) -> dict[Part, str]:
    told: dict[Part, str] = {
        Part.MAPPING: nat.mapping,
        Part.FILTERING: nat.filtering,
        Part.HAIRPIN: _turning(nat),
        Part.DENIED: judgement.SILENT if nat.input is Input.DROP else judgement.ANSWERED,
        Part.LIFETIME: str(nat.lifetime),
        Part.REFRESH: "outbound",
        Part.RENEWED: judgement.MOVED if nat.mapping is Mapping.ADDRESS_AND_PORT_DEPENDENT else judgement.KEPT,
    }
    return told | _numbering(nat) | _answering(nat)


def _numbering(nat: Profile) -> dict[Part, str]:
    """What the choice of ports shows."""
    told: dict[Part, str] = {Part.PORTS: nat.ports}
    low, high = nat.block
    if nat.ports is Ports.BLOCK and high - low >= BLOCK_SPAN:
        told[Part.PORTS] = Ports.RANDOM
    elif nat.ports is Ports.BLOCK:
        told[Part.BLOCK] = f"{low}-{high}"
    spoiled = nat.input is Input.ACCEPT
    if nat.ports is Ports.PRESERVE:
        told[Part.EARLY] = judgement.TAKEN if spoiled else judgement.FREE
    if nat.mapping is Mapping.ENDPOINT_INDEPENDENT:
        denies = nat.filtering is not Filtering.ENDPOINT_INDEPENDENT
        told[Part.EARLY_MAPPED] = judgement.TAKEN if spoiled and denies else judgement.FREE
    if (limit := port_limit(nat)) is not None:
        told[Part.SOCKETS] = str(limit)
    if nat.sessions is not None:
        told |= {Part.SESSIONS: str(nat.sessions), Part.TCP_AFTER: Outcome.SILENT}
    return told


def _answering(nat: Profile) -> dict[Part, str]:
    """What a mapping is worth whose host only answers: an outsider called it where the filter lets one, or a neighbour.

    The answer renews a mapping that depends on the address only for the address of the caller.
    """
    outsider = nat.filtering is not Filtering.ADDRESS_AND_PORT_DEPENDENT
    if not outsider and not nat.hairpin:
        return {}
    renewed = nat.mapping is Mapping.ENDPOINT_INDEPENDENT or (outsider and nat.mapping is Mapping.ADDRESS_DEPENDENT)
    return {Part.ANSWERS: judgement.KEPT if renewed else judgement.MOVED}


def port_limit(nat: Profile) -> int | None:
    """How many sockets of a host get a port, beside the first contact of another host; None is no limit."""
    low, high = nat.block
    return high - low if nat.ports is Ports.BLOCK else None


def flow_limit(nat: Profile) -> int | None:
    """How many flows a prober may make; None is no limit."""
    return min((limit for limit in (port_limit(nat), nat.sessions) if limit is not None), default=None)


def _turning(nat: Profile) -> str:
    """What becomes of packets to the outside address of a neighbour; a router that answers strangers may answer us."""
    if nat.hairpin:
        return "on"
    denies = nat.filtering is not Filtering.ENDPOINT_INDEPENDENT
    return judgement.OFF_ANSWERED if denies and nat.input is Input.ACCEPT else "off"


def _fits(part: Part, wanted: str, seen: str | None) -> bool:
    if seen is None:
        return False
    match part:
        case Part.LIFETIME:
            alive, gone = map(float, seen.split("-"))
            return alive < float(wanted) < gone
        case Part.BLOCK:
            (low, high), (first, last) = _range(seen), _range(wanted)
            return first <= low <= high <= last
        case _:
            return wanted == seen


def _range(text: str) -> tuple[int, int]:
    low, high = text.split("-")
    return int(low), int(high)
