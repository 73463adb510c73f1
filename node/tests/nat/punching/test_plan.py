"""Whom to probe, in which order."""

from __future__ import annotations

import pytest

from macula.core.address import Address
from macula.nat.facts import Facts
from macula.nat.profile import Filtering, Mapping, Ports, parse
from macula.nat.punching.candidates import Candidate, CandidateKind, Tier
from macula.nat.punching.offer import Side
from macula.nat.punching.plan import ALL, FEW, MAX_PRIVATE, MAX_TARGETS, SPARSE, WINDOW, plan, tier_of_seen, why_not

from .pair import facts_of

REFLEXIVE, INTERFACE = CandidateKind.REFLEXIVE, CandidateKind.INTERFACE


def facts(kind: str, last: int = 0) -> Facts:
    known = facts_of(parse(kind))
    return Facts(known.mapping, known.filtering, known.ports, last_port=last, udp=known.udp)


def side(kind: str, outside: str = "203.0.113.1:5000", *inside: str, last: int = 0) -> Side:
    told = [Candidate(REFLEXIVE, Address.parse(outside))] if outside else []
    return Side(facts(kind, last), (*told, *(Candidate(INTERFACE, Address.parse(one)) for one in inside)))


def addresses(mine: Side, theirs: Side) -> list[str]:
    return [str(target.address) for target in plan(mine, theirs)]


ME = side("port_restricted", "198.51.100.1:9443", "192.168.1.2:9443")


def test_the_outside_address_comes_first_and_private_ones_last() -> None:
    theirs = side("home", "203.0.113.1:5000", "192.168.1.7:9443", "198.18.0.5:9443", "[2001:db8::5]:9443")
    told = [(str(t.address), t.tries, t.tier) for t in plan(ME, theirs)]
    assert told == [
        ("203.0.113.1:5000", ALL, Tier.IPV4),
        ("198.18.0.5:9443", ALL, Tier.IPV4),
        ("[2001:db8::5]:9443", ALL, Tier.IPV6),
        ("192.168.1.7:9443", FEW, Tier.LAN),
    ]


def test_the_next_ports_of_a_sequence_come_before_all_else() -> None:
    theirs = side("symmetric_sequential", "203.0.113.1:5000", last=5003)
    told = plan(ME, theirs)
    assert [str(t.address) for t in told[:WINDOW]] == [f"203.0.113.1:{5004 + n}" for n in range(WINDOW)]
    assert {t.tries for t in told[:WINDOW]} == {SPARSE}
    assert [str(t.address) for t in told[WINDOW:]] == ["203.0.113.1:5000"]


@pytest.mark.parametrize(
    ("mine", "kind", "last", "guessed"),
    [
        ("port_restricted", "symmetric_sequential", 5000, True),
        ("symmetric_sequential", "symmetric_sequential", 5000, True),
        ("symmetric", "symmetric_sequential,filtering=adf", 5000, True),
        ("symmetric", "symmetric_sequential", 5000, False),
        ("port_restricted", "symmetric_sequential", 0, False),
        ("port_restricted", "symmetric", 5000, False),
        ("port_restricted", "port_restricted,ports=sequential", 5000, False),
        ("restricted", "symmetric_sequential", 5000, False),
        ("full_cone", "symmetric_sequential", 5000, False),
        ("none", "symmetric_sequential", 5000, False),
    ],
)
def test_ports_are_guessed_only_where_it_can_help(mine: str, kind: str, last: int, guessed: bool) -> None:
    own = side(mine, "198.51.100.1:9443", last=6000)
    kinds = [target.kind for target in plan(own, side(kind, last=last))]
    assert (CandidateKind.PREDICTED in kinds) is guessed


def test_guessed_ports_are_ports() -> None:
    down = Side(Facts(Mapping.ADDRESS_AND_PORT_DEPENDENT, None, Ports.SEQUENTIAL, -2, 1028), ME.candidates)
    assert [t.address.port for t in plan(ME, down) if t.kind is CandidateKind.PREDICTED] == [1026, 1024]
    far = Side(Facts(Mapping.ADDRESS_DEPENDENT, None, Ports.SEQUENTIAL, 1000, 65_000), ME.candidates)
    assert not [t for t in plan(ME, far) if t.kind is CandidateKind.PREDICTED]
    no_address = Side(Facts(Mapping.ADDRESS_DEPENDENT, None, Ports.SEQUENTIAL, 1, 5000), ())
    assert plan(ME, no_address) == ()


def test_private_addresses_are_tried_where_they_could_be_near() -> None:
    theirs = side("home", "203.0.113.1:5000", "10.0.0.7:9443")
    assert addresses(ME, theirs) == ["203.0.113.1:5000"]
    assert addresses(side("home", "203.0.113.1:6000", "192.168.1.2:1"), theirs)[1:] == ["10.0.0.7:9443"]
    assert addresses(side("home", "198.51.100.1:6000", "10.9.9.9:1"), theirs)[1:] == ["10.0.0.7:9443"]


def test_a_private_address_that_pretends_to_be_outside_gets_few_probes() -> None:
    pretended = side("home", "192.168.1.1:53")
    assert [target.tries for target in plan(ME, pretended)] == [FEW]
    lab = side("home", "172.27.0.21:9443", "172.27.1.31:9443")
    assert [target.tries for target in plan(lab, side("home", "172.27.0.22:9443"))] == [ALL]


def test_targets_are_bounded() -> None:
    flood = [f"9.9.9.{n}:1" for n in range(1, 30)] + [f"192.168.1.{n}:1" for n in range(1, 30)]
    told = plan(ME, side("home", "203.0.113.1:5000", *flood))
    assert len([t for t in told if t.tries == ALL]) == MAX_TARGETS
    assert len([t for t in told if t.tries == FEW]) == MAX_PRIVATE


def test_where_udp_is_blocked_only_the_own_network_is_tried() -> None:
    blocked = side("home,udp=blocked", "", "192.168.1.2:9443")
    assert addresses(blocked, side("none", "203.0.113.1:5000", "192.168.1.7:9443")) == ["192.168.1.7:9443"]


def test_the_tier_of_where_a_peer_was_seen() -> None:
    assert tier_of_seen(Address("192.168.1.9", 1), ME) is Tier.LAN
    assert tier_of_seen(Address("203.0.113.9", 1), ME) is Tier.IPV4
    assert tier_of_seen(Address("2001:db8::1", 1), ME) is Tier.IPV6
    assert tier_of_seen(Address("172.27.0.22", 1), side("home", "172.27.0.21:1")) is Tier.IPV4


def test_why_not() -> None:
    assert why_not(facts("port_restricted"), facts("restricted")) is None
    assert why_not(facts("port_restricted"), facts("symmetric_sequential", 5000)) is None
    for one, other, reason in (
        ("port_restricted", "symmetric", "random"),
        ("symmetric", "symmetric", "both NATs take new ports"),
        ("home,udp=blocked", "none", "lets no UDP out"),
        ("port_restricted", "symmetric_sequential", "random"),
    ):
        assert reason in (why_not(facts(one), facts(other)) or "")
    assert why_not(Facts(), facts("symmetric")) is None
    assert why_not(Facts(Mapping.ENDPOINT_INDEPENDENT, Filtering.ADDRESS_DEPENDENT), facts("symmetric")) is None
    assert why_not(Facts(Mapping.ADDRESS_DEPENDENT, Filtering.ADDRESS_DEPENDENT), facts("symmetric")) is None
