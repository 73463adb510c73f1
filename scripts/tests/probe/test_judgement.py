"""Observations are understood, and each kind of NAT is told from every other."""

from dataclasses import replace
from itertools import combinations, product

import pytest
from macula.nat.profile import PRESETS, Filtering, Input, Mapping, Ports, Profile, Tcp, Udp

import ideal
from macula_lab.probe.checks import Check
from macula_lab.probe.endpoint import Endpoint
from macula_lab.probe.expectation import CHECKS, compare, expected
from macula_lab.probe.judgement import Observed, Part, judge
from macula_lab.probe.observations import (
    Asking,
    Connecting,
    Contact,
    Crowd,
    Idle,
    Intrusion,
    Observations,
    Place,
    Story,
    Unchecked,
)
from macula_lab.probe.tcp import Outcome

GRID = [Profile(*parts) for parts in product(Mapping, Filtering, Ports, (False, True))]
FIREWALLS = [Profile(udp=udp, tcp=tcp) for udp, tcp in product(Udp, Tcp)]
INPUTS = [replace(nat, input=Input.ACCEPT) for nat in GRID]
KINDS = [*GRID, *INPUTS, *FIREWALLS, *(preset.profile for preset in PRESETS.values()), Profile(sessions=20)]


@pytest.mark.parametrize("nat", KINDS, ids=str)
def test_a_nat_that_is_what_it_is_called_is_found_so(nat: Profile) -> None:
    assert compare(nat, judge(ideal.observations(nat)), frozenset(Check)) == []


def test_a_nat_is_told_from_every_other() -> None:
    seen = [(nat, judge(ideal.observations(nat))) for nat in {*GRID, *INPUTS, *FIREWALLS}]

    for (nat, mine), (other, others) in combinations(seen, 2):
        assert different(nat, others) or different(other, mine), (nat, other)


def different(nat: Profile, observed: Observed) -> bool:
    return bool(compare(nat, observed, frozenset(Check)))


@pytest.mark.parametrize("nat", KINDS, ids=str)
def test_what_was_not_seen_is_a_mismatch_of_the_checks_that_were_made(nat: Profile) -> None:
    for check in Check:
        missing = compare(nat, {}, {check})
        assert {one.part for one in missing} == {part for part in expected(nat) if CHECKS[part] is check}
        assert all("seen nothing" in str(one) for one in missing)


def asking(*ports: int | None, places: tuple[Place, ...] = tuple(Place)) -> Asking:
    local = Endpoint("10.0.0.1", 50_000)
    outside = [None if port is None else Endpoint("192.0.2.1", port) for port in ports]
    return Asking(local, tuple(zip(places, outside, strict=True)))


@pytest.mark.parametrize(
    ("askings", "word"),
    [
        ([asking(1, 1, 1, 1), asking(2, 2, 2, 2)], "eim"),
        ([asking(1, 1, 2, 2), asking(3, 3, 4, 4)], "adm"),
        # The two ports of the first are the same by chance.
        ([asking(1, 1, 1, 1), asking(3, 3, 4, 4)], "adm"),
        ([asking(1, 2, 3, 4), asking(5, 5, 6, 7)], "apdm"),
        ([asking(1, 2, 1, 2), asking(3, 4, 3, 4)], "irregular"),
        ([asking(1, 1, 1, None)], "no answer"),
        ([asking(1, 1, 1, 1), asking(1, 2, places=(Place.PRIMARY, Place.PRIMARY))], "unstable"),
    ],
)
def test_mapping(askings: list[Asking], word: str) -> None:
    assert judge(Observations(sockets=tuple(askings)))[Part.MAPPING] == word


@pytest.mark.parametrize(
    ("ports", "word"),
    [
        ((50_000, 50_007, 50_014, 50_021), "preserve"),
        ((1050, 61_000, 3_000, 9_999), "random"),
        ((700, 701, 702, 703), "sequential"),
        ((700, 702, 704, 707), "sequential"),
        ((65_534, 65_535, 1024, 1025), "sequential"),
        ((700, 956, 1212, 1468), "block"),
        ((700, 9956, 11_212, 61_468), "random"),
        ((40_001, 40_063, 40_020, 40_000), "block"),
        ((50_000, 50_007, 1050, 61_000), "preserve in part"),
        ((700, 701, None, 703), "no answer"),
    ],
)
def test_ports(ports: tuple[int | None, ...], word: str) -> None:
    seen = tuple(
        replace(asking(port, places=(Place.PRIMARY,)), local=Endpoint("10.0.0.1", 50_000 + 7 * number))
        for number, port in enumerate(ports)
    )
    told = judge(Observations(sockets=seen))

    assert told[Part.PORTS] == word
    assert (Part.BLOCK in told) == (word == "block")


def test_few_ports_tell_nothing() -> None:
    assert Part.PORTS not in judge(Observations(sockets=(asking(700, 700, 700, 700),)))


def test_neighbours_who_share_an_outside_port_are_found() -> None:
    shared = Observations(neighbours=(asking(1, 1, 1, 1), asking(2, 2, 2, 1)))

    assert judge(shared)[Part.NEIGHBOURS] == "shared"


def test_a_mapping_that_neighbours_move_is_found() -> None:
    moved = Observations(sockets=(asking(1, 1, 1, 1),), neighbours=(asking(2, 2, 2, 2), asking(3, 3, 4, 4)))

    assert judge(moved)[Part.NEIGHBOURS] == "moved"


def test_a_hairpin_from_the_inside_address_is_no_hairpin() -> None:
    seen = ideal.observations(PRESETS["home"].profile)
    assert seen.hairpin
    inside = replace(seen, hairpin=replace(seen.hairpin, source=seen.hairpin.sender))
    port = replace(seen, hairpin=replace(seen.hairpin, source=Endpoint(ideal.WAN, 1)))
    one_way = replace(seen, hairpin=replace(seen.hairpin, answered=False))

    assert judge(inside)[Part.HAIRPIN] == f"on, but from {ideal.OTHER}"
    assert judge(port)[Part.HAIRPIN] == "on, but from another port, 1"
    assert judge(one_way)[Part.HAIRPIN] == "on, but one way"


def test_ways_to_private_addresses_are_named() -> None:
    to = Endpoint("10.0.0.1", 50_000)
    seen = Observations(
        intrusion=(Intrusion("udp", ideal.STRANGER, to, True, True), Intrusion("tcp", ideal.STRANGER, to, False, True))
    )

    assert judge(seen)[Part.PRIVATE] == "reached by udp to a mapped socket, tcp"


def test_a_lifetime_lies_between_alive_and_gone() -> None:
    def lifetime(kept: Idle, gone: Idle) -> str:
        rest = (Idle(Story.RENEWED, 7.0, True), Idle(Story.INBOUND, 10.9, False))
        return judge(Observations(idle=(kept, gone, *rest)))[Part.LIFETIME]

    kept, gone = Idle(Story.KEPT, 7.0, True), Idle(Story.GONE, 10.9, False)
    assert lifetime(kept, gone) == "7.0-10.9"
    assert lifetime(kept, replace(gone, alive=True)) == "10.9-inf"
    assert lifetime(kept, replace(gone, obstructed=True)) == "10.9-inf"
    assert lifetime(replace(kept, alive=False), gone) == "0.0-7.0"


@pytest.mark.parametrize(
    ("seen", "ok"), [("7.0-10.9", True), ("10.0-11.0", False), ("10.9-inf", False), ("0.0-7.0", False)]
)
def test_a_lifetime_must_lie_in_what_was_seen(seen: str, ok: bool) -> None:
    wrong = compare(Profile(lifetime=10), {Part.LIFETIME: seen}, {Check.IDLE})

    assert (Part.LIFETIME not in {one.part for one in wrong}) == ok


def test_what_keeps_a_mapping_alive() -> None:
    def refresh(renewed: bool, inbound: bool) -> str:
        return judge(Observations(idle=(Idle(Story.RENEWED, 7.0, renewed), Idle(Story.INBOUND, 10.9, inbound))))[
            Part.REFRESH
        ]

    assert [refresh(True, False), refresh(True, True), refresh(False, False)] == [
        "outbound",
        "outbound and inbound",
        "none",
    ]


def test_a_block_must_keep_within_its_ports() -> None:
    nat = Profile(ports=Ports.BLOCK)
    parts = {Part.MAPPING: "eim", Part.PORTS: "block"}

    assert compare(nat, parts | {Part.BLOCK: "40000-40063"}, {Check.MAPPING}) == []
    assert compare(nat, parts | {Part.BLOCK: "39999-40063"}, {Check.MAPPING})


def test_a_block_of_nearly_all_ports_looks_random() -> None:
    wide = Profile(ports=Ports.BLOCK, block=(1024, 65_535))

    assert compare(wide, {Part.MAPPING: "eim", Part.PORTS: "random"}, {Check.MAPPING}) == []


def test_sockets_that_share_a_port_are_not_counted() -> None:
    outside = (Endpoint("192.0.2.1", 1), Endpoint("192.0.2.1", 1))

    assert judge(Observations(crowd=Crowd(3, outside, ())))[Part.SOCKETS] == "shared"
    assert judge(Observations(crowd=Crowd(1, outside[:1], ())))[Part.SOCKETS] == "more than 0"


@pytest.mark.parametrize(
    ("errors", "word"), [((), "blocked"), (("icmp 3/13",), "rejected"), (("icmp 3/1",), "blocked icmp 3/1")]
)
def test_udp_that_gets_no_answer(errors: tuple[str, ...], word: str) -> None:
    seen = Observations(contact=Contact(Endpoint("10.0.0.1", 50_000), None, errors))

    assert judge(seen)[Part.UDP] == word


@pytest.mark.parametrize(
    ("first", "other", "word"),
    [
        ("open", "open", "allow"),
        ("open", "silent", "443-only"),
        ("silent", "silent", "blocked"),
        ("refused", "open", "other-only"),
    ],
)
def test_tcp(first: str, other: str, word: str) -> None:
    to = Endpoint("192.0.2.9", 443)
    local = Endpoint("10.0.0.1", 44_000)
    seen = Observations(
        tcp={"443": Connecting(local, to, Outcome(first)), "other": Connecting(local, to, Outcome(other))}
    )

    assert judge(seen)[Part.TCP] == word


def test_udp_that_arrives_is_not_blocked_though_no_answer_comes() -> None:
    seen = Observations(contact=Contact(Endpoint("10.0.0.1", 50_000), None, (), arrived=True))

    assert judge(seen)[Part.UDP] == "no answers"


@pytest.mark.parametrize(("answered", "word"), [((3, 3), "passed"), ((0, 0), "lost"), ((3, 0), "in part")])
def test_datagrams_without_checksum(answered: tuple[int, int], word: str) -> None:
    assert judge(Observations(unchecked=Unchecked(3, *answered)))[Part.CHECKSUM] == word
