"""Bounded rates."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

from lru import LRU

K = TypeVar("K", bound=Hashable)


class TokenBucket:
    """`burst` units at once, and `rate` units per second in the long run."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._level = burst
        self._at = now

    def take(self, amount: float, now: float) -> bool:
        """Whether `amount` units may pass now; if so they are used up."""
        self._level = min(self._burst, self._level + (now - self._at) * self._rate)
        self._at = now
        if amount > self._level:
            return False
        self._level -= amount
        return True

    def give_back(self, amount: float) -> None:
        """As if `amount` units that passed had not."""
        self._level = min(self._burst, self._level + amount)


class TokenBuckets(Generic[K]):
    """A bucket for each key, all alike. The least recently used ones are forgotten above `most`."""

    def __init__(self, rate: float, burst: float, most: int) -> None:
        self._rate = rate
        self._burst = burst
        self._buckets: LRU[K, TokenBucket] = LRU(most)

    def __len__(self) -> int:
        """Keys that are remembered."""
        return len(self._buckets)

    def take(self, key: K, amount: float, now: float) -> bool:
        """Whether `amount` units of this key may pass now; if so they are used up."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = TokenBucket(self._rate, self._burst, now)
        return bucket.take(amount, now)

    def give_back(self, key: K, amount: float) -> None:
        """As if `amount` units of this key that passed had not."""
        bucket = self._buckets.get(key)
        if bucket is not None:
            bucket.give_back(amount)
