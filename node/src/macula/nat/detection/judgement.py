"""What the findings mean, in the words of NAT profiles. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from macula.core.address import Address
from macula.nat.detection.findings import Asking, Findings, new_ports
from macula.nat.info import NatInfo, NatType
from macula.nat.profile import Filtering, Input, Mapping, Ports

_STEPS = range(1, 9)
"""From one new mapping to the next of a sequence; a random port follows another so closely once in 8,000 times."""
_BLOCK_SPAN = 4096
"""Ports closer together than this are of a block: eight random ones are so once in 10^7 times."""
_FEW = 4
"""New ports from which on a pattern is told."""

_TYPES = {
    Filtering.ENDPOINT_INDEPENDENT: NatType.FULL_CONE,
    Filtering.ADDRESS_DEPENDENT: NatType.RESTRICTED,
    Filtering.ADDRESS_AND_PORT_DEPENDENT: NatType.PORT_RESTRICTED,
}


def judge(findings: Findings, now: float) -> NatInfo:
    """Everything that can be told."""
    public = next((findings.mesh[place] for place in findings.asked if place in findings.mesh), None)
    translated = any(one.local != one.first for one in findings.askings) if findings.askings else None
    mapping, filtering = mapping_of(findings.askings), _filtering(findings)
    ports, delta, block = ports_of(findings.askings if findings.counted else ())
    kind = _type(findings, translated, mapping, filtering)
    return NatInfo(
        type=kind,
        public=public,
        translated=translated,
        mapping=mapping,
        filtering=filtering,
        ports=ports,
        block=block,
        delta=delta,
        input=_input(findings, mapping),
        hairpin=findings.turned if translated else None,
        last_port=findings.newest.port if findings.newest else 0,
        observers=tuple(findings.mesh),
        note=_note(findings, kind),
        at=now,
    )


def mapping_of(askings: Sequence[Asking]) -> Mapping | None:
    """The mapping that all sockets agree with. Where the observers have one port each, a mapping that depends on the
    address cannot be told from one that depends on the port too, and counts as the latter, which is worse."""
    sights = [one.seen for one in askings if len(one.seen) > 1]
    hosts = {place.host for seen in sights for place in seen}
    if all(len(set(seen.values())) == 1 for seen in sights):
        return Mapping.ENDPOINT_INDEPENDENT if len(hosts) > 1 else None
    two_ports = any(len({place.port for place in seen if place.host == host}) > 1 for seen in sights for host in hosts)
    if two_ports and len(hosts) > 1 and all(_same_for_each_host(seen) for seen in sights):
        return Mapping.ADDRESS_DEPENDENT
    return Mapping.ADDRESS_AND_PORT_DEPENDENT


def _same_for_each_host(seen: dict[Address, Address]) -> bool:
    return all(
        len({outside for place, outside in seen.items() if place.host == host}) == 1
        for host in {place.host for place in seen}
    )


def ports_of(askings: Sequence[Asking]) -> tuple[Ports | None, int | None, tuple[int, int] | None]:
    """How ports are chosen, the step of a sequence, and first and last port of a block."""
    kept = [one.local.port == one.first.port for one in askings]
    # A port that another host behind the NAT has already cannot be kept.
    if kept and 2 * sum(kept) > len(kept):
        return Ports.PRESERVE, None, None
    new = new_ports(askings)
    if len(new) < _FEW:
        return None, None, None
    steps = [after - before for before, after in pairwise(new)]
    near = [step for step in steps if step in _STEPS]
    # One may be the end of the range, or another host's mapping in between.
    if len(steps) - len(near) <= 1:
        return Ports.SEQUENTIAL, Counter(near).most_common(1)[0][0], None
    if len(new) > _FEW and max(new) - min(new) < _BLOCK_SPAN:
        return Ports.BLOCK, None, (min(new), max(new))
    return Ports.RANDOM, None, None


def _filtering(findings: Findings) -> Filtering | None:
    if findings.address_let_in:
        return Filtering.ENDPOINT_INDEPENDENT
    if findings.port_let_in is False:
        # Who keeps out another port of an address keeps out other addresses.
        return Filtering.ADDRESS_AND_PORT_DEPENDENT
    if findings.port_let_in and findings.address_let_in is False:
        return Filtering.ADDRESS_DEPENDENT
    return None


def _input(findings: Findings, mapping: Mapping | None) -> Input | None:
    if findings.spoiled is None or findings.address_let_in or mapping is not Mapping.ENDPOINT_INDEPENDENT:
        return None
    return Input.ACCEPT if findings.spoiled else Input.DROP


def _type(findings: Findings, translated: bool | None, mapping: Mapping | None, filtering: Filtering | None) -> NatType:
    if not findings.mesh:
        return NatType.BLOCKED if findings.asked else NatType.UNKNOWN
    if translated is False and filtering in (None, Filtering.ENDPOINT_INDEPENDENT):
        return NatType.NONE
    if mapping in (Mapping.ADDRESS_DEPENDENT, Mapping.ADDRESS_AND_PORT_DEPENDENT):
        return NatType.SYMMETRIC
    if filtering is None or (mapping is None and translated is not False):
        return NatType.UNKNOWN
    return _TYPES[filtering]


def _note(findings: Findings, kind: NatType) -> str:
    if kind is NatType.BLOCKED:
        asked = ", ".join(map(str, findings.asked))
        return f"no STUN answer from {asked}: UDP is blocked on the way, or nobody runs there"
    if kind is not NatType.NONE and len({place.host for place in findings.mesh}) < 2:
        return "only one observer answered; with a second bootstrap or gateway at another address more can be told"
    return ""
