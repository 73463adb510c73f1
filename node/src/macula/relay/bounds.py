"""Bounded memory."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """A map that keeps at most `most` entries, none longer than `age` seconds; the oldest go first."""

    def __init__(self, most: int, age: float) -> None:
        self._most = most
        self._age = age
        self._entries: dict[K, tuple[float, V]] = {}

    def put(self, key: K, value: V, now: float) -> None:
        """Remember `value` from `now` on, as the youngest entry."""
        self._entries.pop(key, None)
        self._entries[key] = (now, value)
        while len(self._entries) > self._most or self._is_old(next(iter(self._entries.values()))[0], now):
            del self._entries[next(iter(self._entries))]

    def get(self, key: K, now: float) -> V | None:
        """The value, if it is remembered still."""
        entry = self._entries.get(key)
        return None if entry is None or self._is_old(entry[0], now) else entry[1]

    def pop(self, key: K, now: float) -> V | None:
        """As get, and forget it."""
        value = self.get(key, now)
        self._entries.pop(key, None)
        return value

    def __len__(self) -> int:
        return len(self._entries)

    def _is_old(self, since: float, now: float) -> bool:
        return now - since > self._age
