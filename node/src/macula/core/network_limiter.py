"""Bounded rates for each network that something comes from."""

from __future__ import annotations

from macula.core.networks import network_of
from macula.core.token_bucket import TokenBuckets

MAX_PREFIXES = 4096


class PrefixLimiter:
    """A token bucket per network. Least recently used ones are forgotten above MAX_PREFIXES."""

    def __init__(self, rate: float, burst: int) -> None:
        self._buckets = TokenBuckets[bytes](rate, burst, MAX_PREFIXES)

    def take(self, host: str, now: float) -> bool:
        """Whether one more thing from this host may be done."""
        return self._buckets.take(network_of(host), 1, now)

    def give_back(self, host: str) -> None:
        """What was taken for this host is not held against its network."""
        self._buckets.give_back(network_of(host), 1)
