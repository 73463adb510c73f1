"""The search for a path's MTU, without a path."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from macula.providers.quic.mtu import BLACK_HOLE_TIME, LADDER, RAISE_TIME, RETRY_TIME, TRIES, PathMtu, Probe
from macula.providers.quic.settings import LARGEST_DATAGRAM, SMALLEST_DATAGRAM


def search(limit: int = LADDER[-1]) -> PathMtu:
    mtu = PathMtu(limit, random.Random(1))
    mtu.restart(0.0)
    return mtu


def sent(mtu: PathMtu, now: float) -> Probe:
    probe = mtu.due(now)
    assert probe is not None and mtu.due(now) is None
    return probe


def near(at: float | None, wait: float, now: float = 0.0) -> bool:
    return at is not None and 0.9 * wait <= at - now <= 1.1 * wait


def test_the_ladder_is_climbed_step_by_step_and_the_search_ends_at_its_top() -> None:
    mtu = search()
    for size in LADDER:
        probe = sent(mtu, 1.0)
        assert probe.size == size > mtu.size
        mtu.answered(probe.number, 1.0)
        assert mtu.size == size
    assert mtu.next_at is None and mtu.due(1e9) is None


def test_the_limit_is_the_last_step() -> None:
    assert search(SMALLEST_DATAGRAM).due(1.0) is None
    for limit, steps in ((1300, [1280, 1300]), (1280, [1280]), (8900, [*LADDER[:-1], 8900]), (9000, [*LADDER, 9000])):
        mtu = search(limit)
        climbed = []
        while (probe := mtu.due(1.0)) is not None:
            climbed.append(probe.size)
            mtu.answered(probe.number, 1.0)
        assert climbed == steps


def test_a_size_whose_probes_are_lost_three_times_waits_for_ten_minutes() -> None:
    mtu = search()
    now = 0.0
    for wait in [RETRY_TIME] * (TRIES - 1) + [RAISE_TIME]:
        mtu.lost(sent(mtu, now).number, now)
        assert near(mtu.next_at, wait, now) and mtu.size == SMALLEST_DATAGRAM
        assert mtu.due(now + 0.8 * wait) is None
        now += 1.2 * wait
    again = sent(mtu, now)
    assert again.size == LADDER[0]
    mtu.answered(again.number, now)
    assert mtu.size == LADDER[0] and mtu.next_at == now


def test_times_of_later_searches_are_spread() -> None:
    times = set()
    for seed in range(20):
        mtu = PathMtu(LADDER[-1], random.Random(seed))
        mtu.restart(0.0)
        mtu.lost(sent(mtu, 0.0).number, 0.0)
        times.add(mtu.next_at)
    assert len(times) == 20


def test_an_answer_counts_once_and_only_for_the_present_path() -> None:
    mtu = search()
    old = sent(mtu, 0.0)
    mtu.restart(0.0)
    mtu.answered(old.number, 0.0)
    assert mtu.size == SMALLEST_DATAGRAM
    mtu.answered(old.number + 1, 0.0)
    assert mtu.size == SMALLEST_DATAGRAM
    new = sent(mtu, 0.0)
    mtu.lost(old.number, 0.0)
    for _ in range(3):
        mtu.answered(new.number, 0.0)
    assert mtu.size == LADDER[0]


def test_a_probe_that_the_system_refuses_is_not_tried_again_soon() -> None:
    mtu = search()
    probe = sent(mtu, 0.0)
    mtu.refused(probe.size, 0.0)
    assert near(mtu.next_at, RAISE_TIME)
    mtu.answered(probe.number, 0.0)
    assert mtu.size == SMALLEST_DATAGRAM


def test_a_black_hole_or_a_refusal_shrinks_to_the_smallest_size_for_a_minute() -> None:
    for fall in ("black hole", "refused"):
        mtu = search()
        mtu.answered(sent(mtu, 0.0).number, 0.0)
        under_way = sent(mtu, 0.0)
        if fall == "refused":
            mtu.refused(LADDER[0], 0.0)
        else:
            mtu.black_hole(0.0)
        assert mtu.size == SMALLEST_DATAGRAM and near(mtu.next_at, BLACK_HOLE_TIME)
        at = mtu.next_at
        mtu.answered(under_way.number, 1.0)
        mtu.black_hole(1.0)
        mtu.refused(SMALLEST_DATAGRAM, 1.0)
        assert mtu.size == SMALLEST_DATAGRAM and mtu.next_at == at


@given(
    st.integers(SMALLEST_DATAGRAM, LARGEST_DATAGRAM),
    st.lists(st.tuples(st.sampled_from(["due", "yes", "no", "restart", "refused", "hole"]), st.integers(0, 1500))),
)
def test_the_size_is_never_above_what_arrived_on_this_path_nor_above_the_limit(
    limit: int, steps: list[tuple[str, int]]
) -> None:
    mtu, now, proven = search(limit), 0.0, SMALLEST_DATAGRAM
    probes: dict[int, int] = {}
    first = 1
    for step, value in steps:
        match step:
            case "due":
                now += value
                probe = mtu.due(now)
                if probe is not None:
                    assert probe.number not in probes and mtu.size < probe.size <= limit
                    probes[probe.number] = probe.size
            case "yes":
                mtu.answered(value % 20, now)
                if value % 20 >= first:
                    proven = max(proven, probes.get(value % 20, 0))
            case "no":
                mtu.lost(value % 20, now)
            case "restart":
                mtu.restart(now)
                proven, first = SMALLEST_DATAGRAM, max(probes, default=0) + 1
            case "refused":
                mtu.refused(value, now)
            case "hole":
                mtu.black_hole(now)
        assert SMALLEST_DATAGRAM <= mtu.size <= proven
        assert mtu.next_at is None or mtu.size < limit
