"""Bounded rates."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from macula.core.token_bucket import TokenBucket, TokenBuckets


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


def test_each_key_has_a_bucket_of_its_own() -> None:
    buckets: TokenBuckets[str] = TokenBuckets(1.0, 2.0, 10)
    assert buckets.take("a", 2, 0.0) and not buckets.take("a", 1, 0.0)
    assert buckets.take("b", 2, 0.0)
    buckets.give_back("a", 1)
    buckets.give_back("unknown", 1)
    assert buckets.take("a", 1, 0.0) and len(buckets) == 2


def test_the_key_that_was_used_least_recently_is_forgotten() -> None:
    buckets: TokenBuckets[int] = TokenBuckets(0.0, 1.0, 2)
    assert all(buckets.take(key, 1, 0.0) for key in (1, 2))
    assert not buckets.take(1, 1, 0.0)
    assert buckets.take(3, 1, 0.0) and len(buckets) == 2
    assert buckets.take(2, 1, 0.0) and not buckets.take(3, 1, 0.0)
