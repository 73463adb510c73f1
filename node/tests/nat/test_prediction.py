"""Who can meet whom."""

from __future__ import annotations

from itertools import combinations_with_replacement

import pytest
from hypothesis import given

from macula.nat.prediction import Meeting, layered, predict, predict_behind
from macula.nat.profile import Filtering, Profile, Udp, parse

from .test_profile import profiles

MEASURED = {
    "none": "none",
    "full cone": "full_cone",
    "restricted": "restricted",
    "port restricted": "port_restricted",
    "address-dependent": "mapping=adm,filtering=apdf,ports=random",
    "symmetric": "symmetric",
    "sequential": "symmetric_sequential",
}
"""The kinds of NAT between which other programs were measured (nebula, iroh, n2n): 19 of the 28 pairs met directly."""

NOT_DIRECT = {
    ("port restricted", "address-dependent"): Meeting.BIRTHDAY,
    ("port restricted", "symmetric"): Meeting.BIRTHDAY,
    ("port restricted", "sequential"): Meeting.PREDICTION,
    ("address-dependent", "address-dependent"): Meeting.RELAY,
    ("address-dependent", "symmetric"): Meeting.RELAY,
    ("address-dependent", "sequential"): Meeting.RELAY,
    ("symmetric", "symmetric"): Meeting.RELAY,
    ("symmetric", "sequential"): Meeting.RELAY,
    ("sequential", "sequential"): Meeting.PREDICTION,
}


@pytest.mark.parametrize(("a", "b"), list(combinations_with_replacement(MEASURED, 2)))
def test_each_measured_pair(a: str, b: str) -> None:
    expected = NOT_DIRECT.get((a, b), Meeting.DIRECT)
    assert predict(parse(MEASURED[a]), parse(MEASURED[b])).meeting is expected


def test_nineteen_of_the_twenty_eight_are_direct() -> None:
    kinds = [parse(text) for text in MEASURED.values()]
    meetings = [predict(a, b).meeting for a, b in combinations_with_replacement(kinds, 2)]
    assert len(meetings) == 28
    assert meetings.count(Meeting.DIRECT) == 19


@given(profiles(), profiles())
def test_it_is_the_same_for_either_order(a: Profile, b: Profile) -> None:
    assert predict(a, b).meeting is predict(b, a).meeting


@given(profiles(), profiles())
def test_it_is_direct_when_one_lets_everybody_in(a: Profile, b: Profile) -> None:
    open_to_all = not a.translates or a.filtering is Filtering.ENDPOINT_INDEPENDENT
    if open_to_all and a.udp is b.udp is Udp.ALLOW:
        assert predict(a, b).meeting is Meeting.DIRECT


@pytest.mark.parametrize(
    ("a", "b", "meeting", "reason"),
    [
        ("none", "symmetric", Meeting.DIRECT, "the first NAT lets everybody in where it was seen"),
        ("symmetric", "full_cone", Meeting.DIRECT, "the second NAT lets everybody in where it was seen"),
        (
            "restricted",
            "symmetric",
            Meeting.DIRECT,
            "the first NAT is seen at one port and lets in any port of an address",
        ),
        ("home", "port_restricted", Meeting.DIRECT, "both NATs are seen at one port by everybody"),
        (
            "home",
            "symmetric_sequential",
            Meeting.PREDICTION,
            "the first NAT must send to the other's next port, which can",
        ),
        ("home", "symmetric", Meeting.BIRTHDAY, "the first NAT must send to the other's next port, which is random"),
        ("home", "corporate", Meeting.BIRTHDAY, "which is random"),
        ("cgnat", "symmetric", Meeting.BIRTHDAY, "which is random"),
        (
            "symmetric_sequential,filtering=adf",
            "symmetric",
            Meeting.PREDICTION,
            "the first NAT takes a new port for the peer, which can be guessed",
        ),
        (
            "symmetric,filtering=adf",
            "symmetric",
            Meeting.BIRTHDAY,
            "the first NAT takes a new port for the peer, which is random",
        ),
        (
            "symmetric",
            "symmetric_sequential",
            Meeting.RELAY,
            "both NATs take new ports for each other, and at least one",
        ),
        ("home,udp=blocked", "none", Meeting.RELAY, "the first NAT lets no UDP out (blocked)"),
        ("full_cone", "none,udp=rejected", Meeting.RELAY, "the second NAT lets no UDP out (rejected)"),
    ],
)
def test_the_reason_is_told(a: str, b: str, meeting: Meeting, reason: str) -> None:
    prediction = predict(parse(a), parse(b))
    assert prediction.meeting is meeting
    assert reason in prediction.reason


@pytest.mark.parametrize(
    ("inner", "outer", "seen"),
    [
        ("home", "cgnat", "cgnat"),
        ("none", "symmetric", "symmetric"),
        ("symmetric", "none", "symmetric"),
        ("none,udp=blocked", "home", "home,udp=blocked"),
        ("home", "none,tcp=443-only", "home,tcp=443-only"),
        ("symmetric", "cgnat", "mapping=apdm,filtering=apdf,ports=block,lifetime=60,sessions=1000"),
        ("full_cone", "restricted", "restricted"),
        ("symmetric", "full_cone", "mapping=apdm,filtering=apdf,ports=random"),
        ("symmetric_sequential", "home", "symmetric_sequential,hairpin=on"),
        ("cgnat", "port_restricted", "port_restricted,lifetime=60,sessions=1000"),
        ("home,sessions=5", "home,sessions=9", "home,sessions=5"),
        ("home,lifetime=30", "home,lifetime=90", "home,lifetime=30"),
        ("home,udp=rejected", "home,udp=blocked", "home,udp=rejected"),
        ("corporate", "home", "corporate,hairpin=on"),
    ],
)
def test_two_in_a_row_seem_like_one(inner: str, outer: str, seen: str) -> None:
    assert layered(parse(inner), parse(outer)) == parse(seen)


@given(profiles(), profiles(), profiles())
def test_a_second_nat_makes_meeting_no_easier(inner: Profile, outer: Profile, peer: Profile) -> None:
    order = list(Meeting)
    alone = order.index(predict(outer, peer).meeting)
    assert order.index(predict(layered(inner, outer), peer).meeting) >= alone


@given(profiles())
def test_a_plain_router_changes_nothing(nat: Profile) -> None:
    assert layered(nat, Profile(translates=False)) == nat == layered(Profile(translates=False), nat)


def test_peers_behind_several_nats_meet_as_the_strictest_of_each_allow_and_not_through_a_shared_one() -> None:
    home, easy, hard = parse("home"), parse("full_cone"), parse("symmetric")
    assert predict_behind({"a": easy, "b": home}, {"c": easy}) == predict(home, easy)
    assert not predict_behind({"a": home, "cgn": hard}, {"b": home, "cgn": hard}).direct
    assert "both are behind cgn" in predict_behind({"cgn": hard}, {"b": home, "cgn": hard}).reason
    assert predict_behind({"a": home}, {"a": home}).direct, "it lets them back in"
    assert predict_behind({}, {"c": hard}).direct
