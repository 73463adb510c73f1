from __future__ import annotations

from itertools import product

import pytest

from macula.nat.prediction import Meeting, predict
from macula.nat.profile import PRESETS, parse
from macula.nat.remedy import remedies


@pytest.mark.parametrize(
    ("mine", "theirs", "told"),
    [
        (
            "port_restricted",
            "symmetric",
            [
                "this node's NAT filters by address only",
                "this node's NAT lets everybody in: a full cone, or a forwarded UDP port",
                "the peer's NAT keeps one port for all peers",
                "the peer's NAT lets everybody in: a full cone, or a forwarded UDP port",
            ],
        ),
        (
            "symmetric",
            "symmetric",
            [
                "this node's NAT lets everybody in: a full cone, or a forwarded UDP port",
                "the peer's NAT lets everybody in: a full cone, or a forwarded UDP port",
            ],
        ),
        ("home,udp=blocked", "home", ["this node's NAT lets UDP out"]),
        ("home", "home,udp=rejected", ["the peer's NAT lets UDP out"]),
        ("home,udp=blocked", "home,udp=blocked", []),
        ("home", "cgnat", []),
    ],
)
def test_what_would_help_is_told(mine: str, theirs: str, told: list[str]) -> None:
    assert list(remedies(parse(mine), parse(theirs))) == told


def test_who_can_meet_needs_nothing_and_both_sides_agree_on_how_much_would_help() -> None:
    for mine, theirs in product(PRESETS, repeat=2):
        a, b = parse(mine), parse(theirs)
        can = predict(a, b).meeting in (Meeting.DIRECT, Meeting.PREDICTION)
        assert not (can and remedies(a, b))
        assert len(remedies(a, b)) == len(remedies(b, a))
