"""A bounded map: what was not used for longest makes room."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import TypeVar, overload

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
D = TypeVar("D")


class LruCache(OrderedDict[K, V]):
    """At most `most` entries. Reading one by its key or by `get`, and writing one, are uses; `in` is none.

    cachetools' cache takes several times as long for each of these, and a call makes twenty of them.
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def __getitem__(self, key: K) -> V:
        value = super().__getitem__(key)
        self.move_to_end(key)
        return value

    def __setitem__(self, key: K, value: V) -> None:
        super().__setitem__(key, value)
        self.move_to_end(key)
        if len(self) > self._most:
            self.popitem(last=False)

    @overload
    def get(self, key: K, default: None = None, /) -> V | None: ...
    @overload
    def get(self, key: K, default: V | D, /) -> V | D: ...

    def get(self, key: K, default: object = None, /) -> object:
        """The value, or `default`."""
        if key not in self:
            return default
        self.move_to_end(key)
        return super().__getitem__(key)
