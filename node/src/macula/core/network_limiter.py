"""Bounded rates for each network that something comes from."""

from __future__ import annotations

from lru import LRU

from macula.core.networks import network_of
from macula.core.token_bucket import TokenBucket

MAX_PREFIXES = 4096


class PrefixLimiter:
    """A token bucket per network. Least recently used ones are forgotten above MAX_PREFIXES."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._buckets: LRU[bytes, TokenBucket] = LRU(MAX_PREFIXES)

    def take(self, host: str, now: float) -> bool:
        """Whether one more thing from this host may be done."""
        prefix = network_of(host)
        bucket = self._buckets.get(prefix)
        if bucket is None:
            bucket = self._buckets[prefix] = TokenBucket(self._rate, self._burst, now)
        return bucket.take(1, now)

    def give_back(self, host: str) -> None:
        """What was taken for this host is not held against its network."""
        bucket = self._buckets.get(network_of(host))
        if bucket is not None:
            bucket.give_back(1)
