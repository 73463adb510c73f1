from __future__ import annotations

from macula.core.network_limiter import MAX_PREFIXES, PrefixLimiter


def test_a_network_gets_its_burst_and_then_its_rate() -> None:
    limiter = PrefixLimiter(rate=10.0, burst=5)
    assert [limiter.take(f"192.0.2.{last}", 1.0) for last in range(6)] == [True] * 5 + [False]
    assert limiter.take("192.0.3.1", 1.0)
    assert limiter.take("192.0.2.9", 1.1)
    assert not limiter.take("192.0.2.9", 1.1)


def test_what_is_given_back_can_be_taken_again() -> None:
    limiter = PrefixLimiter(rate=0.001, burst=1)
    assert limiter.take("192.0.2.1", 1.0)
    limiter.give_back("192.0.2.7")
    limiter.give_back("198.51.100.1")
    assert limiter.take("192.0.2.1", 1.0)
    assert not limiter.take("192.0.2.1", 1.0)


def test_a_flood_of_networks_makes_the_oldest_forgotten() -> None:
    limiter = PrefixLimiter(rate=0.001, burst=1)
    assert limiter.take("192.0.2.1", 1.0)
    for number in range(MAX_PREFIXES):
        limiter.take(f"10.{number >> 8}.{number & 255}.1", 1.0)
    assert limiter.take("192.0.2.1", 1.0)
