"""How many tunnels strangers may have."""

from __future__ import annotations

from dataclasses import replace

from macula.providers.quic.tunnel.places import Places
from macula.providers.quic.tunnel.settings import TunnelSettings

SETTINGS = replace(TunnelSettings(), max_inbound=10, max_per_prefix=3, accept_rate=1000.0, accept_burst=1000)


def test_one_network_gets_a_part_of_the_places_and_gives_them_back() -> None:
    places = Places(SETTINGS)
    assert [places.refusal(f"8.8.8.{last}", 0.0) for last in range(4)] == [None] * 3 + ["too many from one network"]
    assert places.refusal("8.8.9.1", 0.0) is None
    assert [places.refusal(f"2600:1:2:3::{last}", 0.0) for last in range(4)][-1] == "too many from one network"

    places.leave("8.8.8.1")
    assert places.refusal("8.8.8.200", 0.0) is None
    assert places.refusal("8.8.8.201", 0.0) == "too many from one network"


def test_private_networks_are_bounded_by_the_whole_only() -> None:
    places = Places(SETTINGS)
    assert [places.refusal("10.0.0.1", 0.0) for _ in range(11)] == [None] * 10 + ["full"]
    places.leave("10.0.0.1")
    assert places.refusal("8.8.8.8", 0.0) is None


def test_who_opens_too_fast_has_to_wait() -> None:
    places = Places(replace(SETTINGS, max_inbound=1000, accept_rate=2.0, accept_burst=5))
    assert [places.refusal("10.0.0.1", 0.0) for _ in range(6)] == [None] * 5 + ["too fast"]
    assert places.refusal("10.0.1.1", 0.0) is None, "others have not"
    assert places.refusal("10.0.0.2", 0.6) is None


def test_nothing_is_kept_of_networks_that_left() -> None:
    places = Places(replace(SETTINGS, max_inbound=10_000))
    for number in range(1000):
        host = f"8.{number // 250}.{number % 250}.1"
        assert places.refusal(host, 0.0) is None
        places.leave(host)
    assert not places._by_prefix and places._taken == 0
