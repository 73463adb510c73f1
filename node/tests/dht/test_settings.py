from __future__ import annotations

import pytest

from macula.dht.settings import DhtSettings
from macula.errors import ConfigError


@pytest.mark.parametrize(
    ("field", "value"), [("alpha", 0), ("query_timeout", -1.0), ("k", 32), ("page_size", 65), ("ttl", 86401)]
)
def test_a_wrong_value_is_named(field: str, value: float) -> None:
    with pytest.raises(ConfigError) as caught:
        DhtSettings(**{field: value})  # type: ignore[arg-type]
    assert caught.value.field == f"dht.{field}"
