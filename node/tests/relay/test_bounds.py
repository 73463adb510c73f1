"""Bounded memory and rates."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from macula.errors import ConfigError
from macula.relay.bounds import Recent, TokenBucket
from macula.relay.settings import RouteSettings
from macula.wire.values import MAX_VALUE


def test_the_oldest_makes_room() -> None:
    recent: Recent[int, str] = Recent(2, 10.0)
    for key in (1, 2, 3):
        recent.put(key, str(key), 0.0)
    assert [recent.get(key, 0.0) for key in (1, 2, 3)] == [None, "2", "3"]
    recent.put(2, "again", 0.0)
    recent.put(4, "4", 0.0)
    assert [recent.get(key, 0.0) for key in (2, 3, 4)] == ["again", None, "4"]


def test_nothing_is_kept_longer_than_its_age() -> None:
    recent: Recent[int, str] = Recent(9, 10.0)
    recent.put(1, "1", 0.0)
    assert recent.get(1, 10.0) == "1"
    assert recent.get(1, 10.5) is None
    recent.put(2, "2", 11.0)
    assert len(recent) == 1
    assert recent.pop(2, 30.0) is None
    assert len(recent) == 0


def test_pop_forgets() -> None:
    recent: Recent[int, str] = Recent(9, 10.0)
    recent.put(1, "1", 0.0)
    assert recent.pop(1, 1.0) == "1"
    assert recent.pop(1, 1.0) is None


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


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_hops", 64),
        ("max_hops", -1),
        ("max_payload", 0),
        ("max_payload", MAX_VALUE + 1),
        ("rate", 0),
        ("memory", 0),
    ],
)
def test_a_wrong_setting_is_named(field: str, value: float) -> None:
    with pytest.raises(ConfigError, match=field):
        RouteSettings(**{field: value})  # type: ignore[arg-type]
