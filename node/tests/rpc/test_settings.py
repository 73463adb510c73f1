from __future__ import annotations

from typing import Any

import pytest

from macula.errors import ConfigError
from macula.rpc.settings import RpcSettings


def test_the_defaults_are_valid() -> None:
    RpcSettings()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_calls", 0),
        ("reply_keep", -1.0),
        ("latency_decay", float("nan")),
        ("max_timeout", 1e7),
        ("negative_ttl", 1.5),
        ("args_high_water", 1 << 30),
    ],
)
def test_a_wrong_value_is_named(field: str, value: float) -> None:
    change: dict[str, Any] = {field: value}
    with pytest.raises(ConfigError) as raised:
        RpcSettings(**change)
    assert raised.value.field == field
