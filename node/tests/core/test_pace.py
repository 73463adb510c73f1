"""What is over its rate waits for as long as it takes at that rate."""

from __future__ import annotations

import pytest

from macula.core.pace import Pace


def passed(pace: Pace, seconds: float, messages: int, size: int) -> int:
    """How many times this passes, asked for every millisecond."""
    count = 0
    for at in range(int(seconds * 1000)):
        while pace.ready_at <= at / 1000:
            pace.spend(messages, size, at / 1000)
            count += 1
    return count


def test_a_burst_passes_at_once_and_then_what_the_rate_says() -> None:
    pace = Pace(100, 0, burst=0.5)
    assert passed(pace, 0.001, 1, 10**9) == pytest.approx(50, abs=1)
    assert passed(pace, 10, 1, 10**9) == pytest.approx(1000, abs=2)


def test_bytes_count_beside_messages() -> None:
    assert passed(Pace(100, 10_000, burst=0.1), 10, 1, 1000) == pytest.approx(101, abs=1)
    assert passed(Pace(0, 10_000, burst=0.1), 10, 50, 1000) == pytest.approx(101, abs=1)


def test_no_rate_is_no_limit() -> None:
    pace = Pace(0, 0, burst=0.0)
    for _ in range(1000):
        pace.spend(1000, 1 << 20, 5.0)
    assert pace.ready_at <= 5.0


def test_time_that_nobody_used_is_worth_no_more_than_the_burst() -> None:
    pace = Pace(100, 0, burst=0.5)
    assert passed(pace, 1.0, 1, 0) == pytest.approx(150, abs=2)
    count = 0
    while pace.ready_at <= 1000.0:
        pace.spend(1, 0, 1000.0)
        count += 1
    assert count == pytest.approx(50, abs=1)


def test_what_is_large_passes_and_is_paid_for_afterwards() -> None:
    pace = Pace(0, 1000, burst=1.0)
    pace.spend(1, 5000, 10.0)
    assert pace.ready_at == pytest.approx(14.0)
