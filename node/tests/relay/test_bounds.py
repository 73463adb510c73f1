"""Bounded memory."""

from __future__ import annotations

import pytest

from macula.errors import ConfigError
from macula.relay.bounds import Recent
from macula.relay.settings import MAX_SEALED, RouteSettings


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


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_hops", 64),
        ("max_hops", -1),
        ("max_payload", 0),
        ("max_payload", MAX_SEALED + 1),
        ("rate", 0),
        ("memory", 0),
    ],
)
def test_a_wrong_setting_is_named(field: str, value: float) -> None:
    with pytest.raises(ConfigError, match=field):
        RouteSettings(**{field: value})  # type: ignore[arg-type]
