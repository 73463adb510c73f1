"""One round of probes, at literal times."""

from __future__ import annotations

import pytest

from macula.core.address import Address
from macula.nat.punching.candidates import CandidateKind, Tier
from macula.nat.punching.plan import ALL, FEW, OFFSETS, Target
from macula.nat.punching.round import GRACE, MAX_SEEN, MAX_SENT, Round

FAR, NEAR, SEEN = Address("203.0.113.1", 1), Address("192.168.1.2", 1), Address("203.0.113.9", 9)
FAR_TARGET = Target(FAR, CandidateKind.REFLEXIVE, Tier.IPV4, ALL)
NEAR_TARGET = Target(NEAR, CandidateKind.INTERFACE, Tier.LAN, FEW)


def sent(round_: Round, now: float) -> list[Address]:
    due = round_.due(now)
    for address in due:
        round_.sent(address, now)
    return due


def drive(round_: Round) -> list[tuple[float, Address]]:
    out: list[tuple[float, Address]] = []
    now = 0.0
    while not round_.over(now):
        out += [(now, address) for address in sent(round_, now)]
        now = max(now, round_.next_deadline)
    return out


def test_a_silent_target_is_tried_nine_times_two_seconds_apart_at_most() -> None:
    round_ = Round([FAR_TARGET], 0.0)
    assert [at for at, _ in drive(round_)] == list(OFFSETS)
    assert round_.end == OFFSETS[-1] + GRACE
    assert round_.best is None


def test_targets_go_out_in_their_order() -> None:
    round_ = Round([FAR_TARGET, NEAR_TARGET], 0.0)
    assert sent(round_, 0.0) == [FAR, NEAR]
    assert [address for _, address in drive(Round([FAR_TARGET, NEAR_TARGET], 0.0, tries=3))] == [
        FAR,
        NEAR,
        FAR,
        FAR,
        NEAR,
    ]


def test_who_comes_late_sends_each_once() -> None:
    round_ = Round([FAR_TARGET, NEAR_TARGET], 0.0)
    assert sent(round_, 0.9) == [FAR, NEAR]
    assert round_.next_deadline == 1.6


def test_it_ends_with_the_first_path_unless_a_better_one_may_come() -> None:
    round_ = Round([FAR_TARGET], 0.0)
    sent(round_, 0.0)
    assert round_.proved(FAR, 0.03) is Tier.IPV4
    assert round_.over(0.03)
    round_ = Round([FAR_TARGET, NEAR_TARGET], 0.0)
    sent(round_, 0.0)
    round_.proved(FAR, 0.03)
    assert not round_.over(0.03)
    assert [address for _, address in drive(round_)] == [NEAR, NEAR]
    assert round_.best is Tier.IPV4


def test_what_is_no_target_proves_nothing_here() -> None:
    assert Round([FAR_TARGET], 0.0).proved(SEEN, 0.1) is None


def test_a_peer_seen_elsewhere_is_probed_there_at_once_and_again() -> None:
    round_ = Round((), 0.0)
    assert round_.asked(SEEN, Tier.IPV4, 0.0)
    round_.sent(SEEN, 0.0)
    assert round_.heard_from(SEEN)
    assert [at for at, _ in drive(round_)] == [0.2, 0.8, 1.6, 3.2]
    assert round_.proved(SEEN, 0.1) is Tier.IPV4


def test_a_target_that_is_heard_is_probed_at_once_but_not_twice() -> None:
    round_ = Round([FAR_TARGET], 0.0)
    sent(round_, 0.0)
    assert not round_.asked(FAR, Tier.IPV4, 0.01)
    assert round_.asked(FAR, Tier.IPV4, 0.06)
    round_.sent(FAR, 0.06)
    round_.proved(FAR, 0.03)
    assert not round_.asked(FAR, Tier.IPV4, 0.5)


def test_a_peer_that_asks_without_end_gets_an_end() -> None:
    round_ = Round([FAR_TARGET], 0.0)
    probes, now = 0, 0.0
    while not round_.over(now):
        for port in range(1, 20):
            source = Address("203.0.113.9", port)
            if round_.asked(source, Tier.IPV4, now):
                round_.sent(source, now)
                probes += 1
        probes += len(sent(round_, now))
        now += 0.06
        assert now < 20
    assert probes <= MAX_SEEN * MAX_SENT + len(OFFSETS)


def test_what_an_earlier_round_found_counts() -> None:
    earlier = Round((), 0.0)
    earlier.asked(SEEN, Tier.IPV4, 0.0)
    earlier.proved(SEEN, 0.1)
    round_ = Round([NEAR_TARGET], 1.0, tries=1)
    round_.inherit(earlier)
    assert round_.best is Tier.IPV4
    assert sent(round_, 1.0) == [NEAR]
    assert round_.over(1.0)


@pytest.mark.parametrize("tries", [1, 5, 9])
def test_fewer_tries_end_sooner(tries: int) -> None:
    assert [at for at, _ in drive(Round([FAR_TARGET], 0.0, tries))] == list(OFFSETS[:tries])
