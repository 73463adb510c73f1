from __future__ import annotations

import pytest

from macula.errors import ConfigError
from macula.pubsub import PubSubSettings


def test_defaults_keep_the_promise_of_two_seconds() -> None:
    settings = PubSubSettings()
    assert settings.directory_max_age + settings.directory_shared_age < 2


def test_a_wrong_value_is_named() -> None:
    with pytest.raises(ConfigError, match="'window': must be above zero, is 0"):
        PubSubSettings(window=0)
    with pytest.raises(ConfigError, match="'reorder_wait'"):
        PubSubSettings(reorder_wait=float("nan"))
    with pytest.raises(ConfigError, match="'directory_refresh': must be at most"):
        PubSubSettings(directory_refresh=5.0)
