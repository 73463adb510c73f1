"""A bounded memory of what was used last."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """A mapping that keeps its `limit` most recently used keys."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._items: OrderedDict[K, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._items)

    def get(self, key: K) -> V | None:
        """The key's value; it counts as used."""
        return self._items[key] if self.touch(key) else None

    def touch(self, key: K) -> bool:
        """Whether the key is there; if so it counts as used."""
        if key not in self._items:
            return False
        self._items.move_to_end(key)
        return True

    def put(self, key: K, value: V) -> None:
        """Set the key's value; over the limit, the key that was not used for longest is forgotten."""
        self._items[key] = value
        self._items.move_to_end(key)
        if len(self._items) > self._limit:
            self._items.popitem(last=False)

    def pop(self, key: K) -> None:
        """Forget the key, if it is there."""
        self._items.pop(key, None)
