"""Bounded rates."""

from __future__ import annotations


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
