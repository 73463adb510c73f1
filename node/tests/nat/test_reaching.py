from __future__ import annotations

from macula.core.address import Address
from macula.nat.info import NatInfo, NatType
from macula.nat.profile import Filtering, Input, Mapping, Ports
from macula.nat.punching.candidates import Candidate, CandidateKind
from macula.nat.punching.offer import Side
from macula.nat.reaching import PUBLIC, describe

INSIDE, OUTSIDE = Address("10.0.1.2", 9443), Address("203.0.113.1", 40_001)


def test_a_node_that_is_told_to_be_dialed_is_open_from_its_start() -> None:
    candidates = tuple(Candidate(kind, INSIDE) for kind in (CandidateKind.INTERFACE, CandidateKind.REFLEXIVE))
    assert describe(NatInfo(), (INSIDE,), reachable=True, measured=False) == Side(PUBLIC, candidates)


def test_behind_a_nat_nothing_is_told_before_the_outside_address_is_known() -> None:
    assert describe(NatInfo(), (INSIDE,), reachable=False, measured=True) is None


def test_where_udp_is_blocked_that_is_told_with_the_address_inside() -> None:
    side = describe(NatInfo(NatType.BLOCKED), (INSIDE,), reachable=False, measured=True)
    assert side is not None and not side.facts.udp
    assert side.candidates == (Candidate(CandidateKind.INTERFACE, INSIDE),)


def test_what_was_measured_is_told_with_the_address_inside_and_the_one_outside() -> None:
    info = NatInfo(
        NatType.SYMMETRIC,
        public=OUTSIDE,
        mapping=Mapping.ADDRESS_AND_PORT_DEPENDENT,
        filtering=Filtering.ADDRESS_AND_PORT_DEPENDENT,
        ports=Ports.SEQUENTIAL,
        delta=2,
        last_port=40_007,
    )
    side = describe(info, (INSIDE,), reachable=False, measured=True)
    assert side is not None and side.facts == info.facts and side.facts.last_port == 40_007
    assert [(one.kind, one.address) for one in side.candidates] == [
        (CandidateKind.INTERFACE, INSIDE),
        (CandidateKind.REFLEXIVE, OUTSIDE),
    ]


def test_nothing_is_told_while_probes_could_do_harm() -> None:
    eim, apdm = Mapping.ENDPOINT_INDEPENDENT, Mapping.ADDRESS_AND_PORT_DEPENDENT
    told = {
        NatInfo(public=OUTSIDE): False,
        NatInfo(public=OUTSIDE, mapping=apdm): False,
        NatInfo(public=OUTSIDE, mapping=apdm, ports=Ports.SEQUENTIAL): False,
        NatInfo(public=OUTSIDE, mapping=apdm, ports=Ports.RANDOM): True,
        NatInfo(public=OUTSIDE, mapping=eim): False,
        NatInfo(public=OUTSIDE, mapping=eim, input=Input.ACCEPT): True,
        NatInfo(public=OUTSIDE, mapping=eim, filtering=Filtering.ENDPOINT_INDEPENDENT): True,
    }
    for info, early in told.items():
        assert (describe(info, (INSIDE,), reachable=False, measured=False) is not None) is early
        assert describe(info, (INSIDE,), reachable=False, measured=True) is not None
