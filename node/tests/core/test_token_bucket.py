"""Bounded rates."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from macula.core.token_bucket import TokenBucket


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 5)), max_size=60))
def test_a_bucket_never_lets_more_pass_than_burst_and_rate(steps: list[tuple[float, float]]) -> None:
    bucket = TokenBucket(10.0, 50.0, 0.0)
    now = passed = 0.0
    for amount, wait in steps:
        now += wait
        if bucket.take(amount, now):
            passed += amount
        assert passed <= 50.0 + 10.0 * now + 1e-6


def test_a_bucket_fills_up_again() -> None:
    bucket = TokenBucket(10.0, 50.0, 0.0)
    assert bucket.take(50, 0.0)
    assert not bucket.take(1, 0.05)
    assert bucket.take(10, 1.05)


def test_what_is_given_back_may_pass_again_and_never_exceeds_the_burst() -> None:
    bucket = TokenBucket(0.0, 2.0, 0.0)
    assert bucket.take(2, 0.0)
    bucket.give_back(1)
    assert bucket.take(1, 0.0)
    bucket.give_back(5)
    assert bucket.take(2, 0.0)
    assert not bucket.take(1, 0.0)
