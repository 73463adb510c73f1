"""The connections a node keeps: least recently used ones make room, idle ones are closed, used ones stay."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from macula.core.results import PoolStatistics
from macula.identity import NodeId


@dataclass(slots=True)
class _Entry:
    last_used: float
    holds: int = 0


class ConnectionPool:
    """Which peers are connected, in the order of their last use. No I/O."""

    def __init__(self, max_size: int, idle_timeout: float) -> None:
        """`max_size` in connections, `idle_timeout` in seconds."""
        self._max_size = max_size
        self._idle_timeout = idle_timeout
        self._entries: OrderedDict[NodeId, _Entry] = OrderedDict()
        self._holds: dict[NodeId, int] = {}
        self._hits = 0
        self._misses = 0

    def get(self, peer: NodeId, now: float) -> bool:
        """Whether there is a connection to use; counts a hit or a miss."""
        entry = self._entries.get(peer)
        if entry is None:
            self._misses += 1
            return False
        self._hits += 1
        entry.last_used = now
        self._entries.move_to_end(peer)
        return True

    def get_all(self, peers: Iterable[NodeId], now: float) -> None:
        """As get, of several that are connected."""
        for peer in peers:
            self._hits += 1
            self._entries[peer].last_used = now
            self._entries.move_to_end(peer)

    def touch(self, peer: NodeId, now: float) -> None:
        """The connection was used, in either direction."""
        entry = self._entries.get(peer)
        if entry is not None:
            entry.last_used = now
            self._entries.move_to_end(peer)

    def put(self, peer: NodeId, now: float) -> list[NodeId]:
        """Add a connection; returns those to close for it: the least recently used ones that are not in use."""
        self._entries[peer] = _Entry(now, self._holds.get(peer, 0))
        self._entries.move_to_end(peer)
        excess = len(self._entries) - self._max_size
        if excess <= 0:
            return []
        unused = (node for node, entry in self._entries.items() if not entry.holds and node != peer)
        return [node for node, _ in zip(unused, range(excess), strict=False)]

    def remove(self, peer: NodeId) -> None:
        """The connection is gone. Holds stay: they are their holder's to release."""
        self._entries.pop(peer, None)

    def hold(self, peer: NodeId) -> None:
        """The connection is in use, now or as soon as there is one."""
        self._holds[peer] = self._holds.get(peer, 0) + 1
        if peer in self._entries:
            self._entries[peer].holds += 1

    def release(self, peer: NodeId, now: float) -> None:
        """Undo one hold."""
        left = self._holds.get(peer, 0) - 1
        if left > 0:
            self._holds[peer] = left
        else:
            self._holds.pop(peer, None)
        if peer in self._entries:
            self._entries[peer].holds = max(left, 0)
            self.touch(peer, now)

    def is_held(self, peer: NodeId) -> bool:
        """Whether a connection to the peer is in use, or would be."""
        return peer in self._holds

    def pop_idle(self, now: float) -> list[NodeId]:
        """The connections to close because nobody used them; they count as used now, so each is named once."""
        idle = []
        for peer, entry in self._entries.items():
            if entry.last_used + self._idle_timeout > now:
                break
            idle.append(peer)
        for peer in idle:
            self.touch(peer, now)
        return [peer for peer in idle if not self._entries[peer].holds]

    def next_deadline(self) -> float | None:
        """When the least recently used connection becomes idle."""
        for entry in self._entries.values():
            return entry.last_used + self._idle_timeout
        return None

    def stats(self) -> PoolStatistics:
        """Size, hits, misses and hit rate since the start."""
        asked = self._hits + self._misses
        return PoolStatistics(len(self._entries), self._hits, self._misses, self._hits / asked if asked else 0.0)
