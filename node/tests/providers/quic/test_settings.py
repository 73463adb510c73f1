from __future__ import annotations

from typing import Any

import pytest

from macula.errors import ConfigError
from macula.providers.quic.settings import QuicSettings


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_datagram_size", 1199),
        ("max_datagram_size", 70_000),
        ("low_water", 1 << 20),
        ("keep_alive", 60.0),
        ("retry_threshold", 513),
        ("lane_window", 0),
        ("initial_burst", -1),
    ],
)
def test_a_wrong_value_is_named(field: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=field):
        QuicSettings(**{field: value})
