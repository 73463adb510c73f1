"""The shaper in virtual time."""

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from macula_lab.router.link import shaper as shaping
from macula_lab.router.link.shaper import Shaper
from macula_lab.router.link.spec import LinkSpec, parse

FRAME = 1250
"""Bytes, so that a frame takes 10 ms at 1 Mbit/s."""


def frame(index: int, size: int = FRAME) -> bytes:
    """A frame that is known by its number."""
    return index.to_bytes(4, "big").ljust(size, b"\0")


def index(data: bytes) -> int:
    """Its number."""
    return int.from_bytes(data[:4], "big")


def shaper(text: str, seed: int = 7, direction: str = "out") -> Shaper:
    """A shaper that does what the text says."""
    return Shaper(parse(text), seed, direction)


def arrivals(link: Shaper, offered: Iterable[float] = (), until: float = float("inf")) -> list[tuple[float, int]]:
    """Offer frame k at offered[k], and call `due` whenever the shaper asks for it: when each frame arrived."""
    offers = list(enumerate(offered))
    arrived: list[tuple[float, int]] = []
    while True:
        offer_at = offers[0][1] if offers else float("inf")
        deadline = link.next_deadline()
        now = min(offer_at, float("inf") if deadline is None else deadline)
        if now == float("inf") or now > until:
            return arrived
        if now == offer_at:
            link.offer(frame(offers.pop(0)[0]), now)
        arrived += [(now, index(data)) for data in link.due(now)]


def times(arrived: list[tuple[float, int]]) -> list[float]:
    """When they arrived."""
    return [time for time, _ in arrived]


def numbers(arrived: list[tuple[float, int]]) -> list[int]:
    """Which frames arrived, in their order."""
    return [number for _, number in arrived]


def every(seconds: float, count: int) -> list[float]:
    """Times of frames that come regularly, from 0 on."""
    return [number * seconds for number in range(count)]


def lost(link: Shaper, count: int = 400, start: float = 0.0) -> list[int]:
    """The indexes of those frames that do not arrive."""
    offers = [start + time for time in every(0.02, count)]
    return sorted(set(range(count)) - set(numbers(arrivals(link, offers))))


def test_a_link_that_does_nothing_passes_frames_at_once() -> None:
    assert arrivals(shaper("none"), [0, 1, 1, 5]) == [(0, 0), (1, 1), (1, 2), (5, 3)]


def test_delay() -> None:
    link = shaper("delay=25")
    link.offer(frame(0), 3)
    assert link.due(3.0249) == []
    assert link.next_deadline() == pytest.approx(3.025)
    assert link.due(3.0251) == [frame(0)]
    assert link.next_deadline() is None


def test_jitter_varies_the_delay_to_both_sides_evenly() -> None:
    taken = [at - 0.1 * number for at, number in arrivals(shaper("delay=25,jitter=5"), every(0.1, 1000))]
    assert 0.020 <= min(taken) < 0.0205
    assert 0.0295 < max(taken) <= 0.030
    assert sum(taken) / len(taken) == pytest.approx(0.025, abs=0.0005)


def test_jitter_does_not_change_the_order() -> None:
    link = shaper("delay=25,jitter=25")
    assert numbers(arrivals(link, every(0.001, 1000))) == list(range(1000))
    assert link.counters.reordered == 0


def test_the_same_seed_loses_the_same_frames_on_every_machine() -> None:
    assert lost(shaper("loss=3"), 120) == [2, 4, 31, 33, 106, 112]


@pytest.mark.parametrize(
    "others",
    ["", "delay=40,jitter=10", "rate=1mbit", "delay=5,reorder=50", "duplicate=50", "delay=9,jitter=9,rate=2mbit"],
)
def test_it_loses_them_whatever_else_the_link_does(others: str) -> None:
    assert lost(shaper(f"loss=10,{others}")) == lost(shaper("loss=10"))


def test_more_loss_loses_those_too_that_less_loss_does() -> None:
    assert set(lost(shaper("loss=5"))) < set(lost(shaper("loss=20")))


def test_another_seed_and_the_other_direction_lose_others() -> None:
    assert (
        len({tuple(lost(link)) for link in (shaper("loss=10"), shaper("loss=10", 8), shaper("loss=10", 7, "in"))}) == 3
    )


@pytest.mark.parametrize("percent", [0, 1, 20, 100])
def test_as_many_are_lost_as_asked(percent: int) -> None:
    link = shaper(f"loss={percent}")
    assert len(lost(link, 10_000)) == pytest.approx(100 * percent, rel=0.1)
    assert link.counters.lost == 10_000 - link.counters.delivered


def test_a_rate_sends_one_frame_after_the_other() -> None:
    at = times(arrivals(shaper("rate=1mbit"), [0, 0, 0]))
    assert at == pytest.approx([0.010, 0.020, 0.030])


def test_a_link_that_was_idle_has_saved_nothing() -> None:
    at = times(arrivals(shaper("rate=1mbit"), [0, 5, 5]))
    assert at == pytest.approx([0.010, 5.010, 5.020])


def test_the_delay_begins_when_the_frame_is_sent() -> None:
    at = times(arrivals(shaper("rate=1mbit,delay=100"), [0, 0]))
    assert at == pytest.approx([0.110, 0.120])


def test_a_queue_takes_what_is_sent_in_its_time_and_drops_what_comes_last() -> None:
    link = shaper("rate=1mbit")
    assert numbers(arrivals(link, [0] * 30)) == list(range(20))
    assert link.counters.overflowed == 10


def test_the_queue_of_a_slow_link_takes_a_few_frames() -> None:
    link = shaper("rate=8kbit")
    assert numbers(arrivals(link, [0] * 30)) == list(range(shaping.QUEUE_FLOOR // FRAME))


def test_what_is_under_way_is_bounded_by_packets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shaping, "HELD_PACKETS", 5)
    link = shaper("delay=100")
    assert numbers(arrivals(link, [0] * 8 + [1])) == [0, 1, 2, 3, 4, 8]
    assert link.counters.overflowed == 3


def test_what_is_under_way_is_bounded_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shaping, "HELD_BYTES", 3 * FRAME)
    link = shaper("delay=100")
    assert numbers(arrivals(link, [0] * 5 + [1])) == [0, 1, 2, 5]
    assert link.counters.overflowed == 2


def test_a_duplicate_follows_its_original_and_takes_its_own_time_on_the_link() -> None:
    link = shaper("duplicate=100,rate=1mbit")
    arrived = arrivals(link, [0, 0])
    assert numbers(arrived) == [0, 0, 1, 1]
    assert times(arrived) == pytest.approx([0.010, 0.020, 0.030, 0.040])
    assert (link.counters.duplicated, link.counters.delivered) == (2, 4)


def test_as_many_are_duplicated_as_asked() -> None:
    link = shaper("duplicate=10")
    arrivals(link, every(0.01, 5000))
    assert link.counters.duplicated == pytest.approx(500, rel=0.1)


def test_a_reordered_frame_overtakes_those_under_way() -> None:
    link = shaper("delay=25,reorder=10")
    arrived = numbers(arrivals(link, every(0.01, 1000)))
    assert sorted(arrived) == list(range(1000))
    overtook = [number for place, number in enumerate(arrived) if any(later < number for later in arrived[place:])]
    assert len(overtook) == link.counters.reordered == pytest.approx(100, abs=30)


def test_whoever_asks_late_gets_the_same_order() -> None:
    punctual, late = shaper("delay=25,reorder=50"), shaper("delay=25,reorder=50")
    for number, time in enumerate(every(0.01, 50)):
        late.offer(frame(number), time)
    order = numbers(arrivals(punctual, every(0.01, 50)))
    assert [index(data) for data in late.due(1)] == order != list(range(50))


def test_a_frame_alone_overtakes_nobody() -> None:
    link = shaper("delay=25,reorder=100")
    assert arrivals(link, every(0.1, 10)) == [(time, number) for number, time in enumerate(every(0.1, 10))]
    assert link.counters.reordered == 0


def test_a_reordered_frame_waits_for_the_link_as_any_other() -> None:
    arrived = arrivals(shaper("rate=1mbit,delay=25,reorder=100"), [0, 0])
    assert times(arrived) == pytest.approx([0.010, 0.020])


def test_a_change_leaves_alone_what_is_under_way_and_keeps_the_order() -> None:
    link = shaper("delay=100")
    link.offer(frame(0), 0)
    link.reconfigure(parse("delay=10"), 0.05)
    link.offer(frame(1), 0.05)
    link.offer(frame(2), 0.2)
    arrived = arrivals(link)
    assert numbers(arrived) == [0, 1, 2]
    assert times(arrived) == pytest.approx([0.1, 0.1, 0.21])


def test_a_change_of_the_rate_is_for_those_that_wait_too() -> None:
    link = shaper("rate=1mbit")
    for number in range(4):
        link.offer(frame(number), 0)
    assert numbers(arrivals(link, until=0.0201)) == [0, 1]
    link.reconfigure(parse("rate=10mbit"), 0.029)
    assert times(arrivals(link)) == pytest.approx([0.030, 0.031])


def test_what_was_sent_before_a_change_was_sent_at_the_old_rate() -> None:
    link = shaper("rate=1mbit,delay=100")
    link.offer(frame(0), 0)
    link.reconfigure(parse("rate=10mbit,delay=100"), 0.015)
    link.offer(frame(1), 0.015)
    assert times(arrivals(link)) == pytest.approx([0.110, 0.116])


def test_without_a_rate_any_more_nothing_waits() -> None:
    link = shaper("rate=1mbit")
    for number in range(4):
        link.offer(frame(number), 0)
    link.reconfigure(parse("none"), 0.005)
    link.offer(frame(4), 0.005)
    assert [index(data) for data in link.due(0.005)] == [0, 1, 2, 3, 4]


def test_a_link_that_is_taken_away_gives_all_in_order() -> None:
    link = shaper("rate=1mbit,delay=100")
    for number in range(5):
        link.offer(frame(number), 0)
    link.due(0.035)
    link.reconfigure(parse("none"), 0.035)
    assert [index(data) for data in link.due(float("inf"))] == [0, 1, 2, 3, 4]
    assert link.next_deadline() is None


def test_a_change_goes_on_with_the_draws_and_a_seed_begins_them_anew() -> None:
    once = lost(shaper("loss=10"), 200)
    link = shaper("loss=10")
    first = lost(link, 100)
    link.reconfigure(parse("loss=10"), 2)
    second = lost(link, 100, start=2)
    link.reconfigure(parse("loss=10"), 4, seed=7)
    assert once == first + [100 + number for number in second]
    assert lost(link, 100, start=4) == first != second


@st.composite
def specs(draw: st.DrawFn) -> LinkSpec:
    """Any link."""
    delay = draw(st.sampled_from([0, 1, 50]))
    return LinkSpec(
        delay=delay,
        jitter=delay * draw(st.sampled_from([0, 0.5, 1])),
        loss=draw(st.sampled_from([0, 30])),
        rate=draw(st.sampled_from([0, 1_000_000, 1_000_000_000])),
        reorder=draw(st.sampled_from([0, 30])) if delay else 0,
        duplicate=draw(st.sampled_from([0, 30])),
    )


gaps = st.lists(st.sampled_from([0.0, 0.0, 0.001, 0.02, 0.3]), max_size=60)


def times_of(gap: list[float]) -> list[float]:
    """Times from gaps between them."""
    total = 0.0
    return [total := total + one for one in gap]


@settings(derandomize=True, deadline=None, database=None)
@given(specs(), gaps, st.integers(0, 5))
def test_every_frame_is_accounted_for_and_in_order_and_never_early(spec: LinkSpec, gap: list[float], seed: int) -> None:
    offers = times_of(gap)
    link = Shaper(spec, seed, "out")
    arrived = arrivals(link, offers)
    counters = link.counters
    assert counters.offered == len(offers)
    assert counters.offered + counters.duplicated == counters.lost + counters.overflowed + counters.delivered
    assert counters.delivered == len(arrived)
    if not spec.reorder:
        assert numbers(arrived) == sorted(numbers(arrived))
        assert counters.reordered == 0
        sending = 8 * FRAME / spec.rate if spec.rate else 0
        earliest = (spec.delay - spec.jitter) / 1000 + sending
        assert all(at >= offers[number] + earliest - 1e-9 for at, number in arrived)
    if spec.rate and not spec.jitter and not spec.reorder:
        spacing = [later - before for (before, _), (later, _) in pairwise(arrived)]
        assert all(space >= 8 * FRAME / spec.rate - 1e-9 for space in spacing)


@settings(derandomize=True, deadline=None, database=None)
@given(st.lists(st.tuples(specs(), gaps), min_size=1, max_size=4))
def test_changes_lose_nothing(parts: list[tuple[LinkSpec, list[float]]]) -> None:
    link, now, arrived = Shaper(LinkSpec(), 1, "in"), 0.0, 0
    for spec, gap in parts:
        link.reconfigure(spec, now)
        offers = [now + time for time in times_of(gap)]
        now = offers[-1] if offers else now
        arrived += len(arrivals(link, offers, until=now))
    counters = link.counters
    arrived += len(arrivals(link))
    assert arrived == counters.offered + counters.duplicated - counters.lost - counters.overflowed


@settings(derandomize=True, deadline=None, database=None)
@given(specs(), gaps)
def test_nothing_is_due_before_the_deadline(spec: LinkSpec, gap: list[float]) -> None:
    link = Shaper(spec, 1, "out")
    for number, time in enumerate(times_of(gap)):
        deadline = link.next_deadline()
        if deadline is None or deadline > time:
            assert link.due(time) == []
        link.offer(frame(number), time)
