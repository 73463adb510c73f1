"""The records this node keeps for others."""

from __future__ import annotations

import bisect
from collections import Counter

from msgspec import Struct

from macula.core.record import Record
from macula.core.timers import Timers
from macula.dht.settings import DhtSettings
from macula.dht.verifier import Verifier
from macula.errors import ProtocolError
from macula.identity import NodeId
from macula.wire import codes

_Place = tuple[bytes, NodeId]
"""The key and the node of a record: there is one for each."""


class _Kept(Struct, gc=False):
    record: Record
    storer: NodeId


class Storage:
    """Verified records by key and node, bounded by quotas, each until it expires.

    When all room is taken, a peer that brought little takes a place of the one that brought most: however many records
    a few peers make up, they cannot keep out those of others. A tombstone is kept like any record, so that the record
    it replaced cannot come back. Times are `wall`.
    """

    def __init__(self, settings: DhtSettings, verifier: Verifier) -> None:
        self._settings = settings
        self._verifier = verifier
        self._kept: dict[bytes, dict[NodeId, _Kept]] = {}
        self._nodes: dict[bytes, list[NodeId]] = {}
        self._of_publisher: Counter[NodeId] = Counter()
        self._of_storer: dict[NodeId, dict[_Place, None]] = {}
        self._expiry: Timers[_Place] = Timers()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    @property
    def live_keys(self) -> set[bytes]:
        """Keys with at least one record that is not a tombstone."""
        return {key for key, kept in self._kept.items() if any(not each.record.is_tombstone for each in kept.values())}

    def offer(self, encoded: bytes, storer: NodeId, realm: str, wall: float) -> str:
        """Keep a record that `storer` brought in a frame of `realm`, if it may be kept. Returns one of wire.codes.

        Replacing a record needs no new quota and leaves it to the account of the peer that brought it first, so that a
        publisher can always renew and withdraw what is kept.
        """
        try:
            record = self._verifier.record(encoded)
        except ProtocolError as error:
            return error.code
        self.expire(wall)
        if record.realm not in ("", realm):
            return codes.BAD_KEY
        if record.ttl > self._settings.max_ttl:
            return codes.BAD_TTL
        if record.not_before > wall + self._settings.clock_skew:
            return codes.NOT_YET_VALID
        if record.expires <= wall:
            return codes.EXPIRED
        key, node = record.key, record.node
        kept = self._kept.get(key, {}).get(node)
        if kept is None:
            if not self._has_room(node, storer):
                return codes.QUOTA
            self._insert(key, record, storer)
        elif record.seq > kept.record.seq:
            kept.record = record
        else:
            return codes.UNCHANGED if record.seq == kept.record.seq else codes.STALE
        # From a clock ahead of ours, a record would otherwise stay for longer than its ttl.
        self._expiry.set((key, node), min(record.expires, wall + record.ttl))
        return codes.STORED

    def page(self, key: bytes, after: bytes, wall: float, most: int) -> tuple[list[Record], bool]:
        """Up to `most` records under a key, tombstones included, after a node id in the order of node ids, and whether
        there are more."""
        self.expire(wall)
        nodes = self._nodes.get(key, [])
        start = bisect.bisect_right(nodes, after)
        kept = self._kept.get(key, {})
        return [kept[node].record for node in nodes[start : start + most]], start + most < len(nodes)

    def records(self, key: bytes, wall: float) -> list[Record]:
        """All records under a key, tombstones included, in the order of node ids."""
        return self.page(key, b"", wall, self._size)[0]

    def expire(self, wall: float) -> int:
        """Forget what has expired. Returns how many records that were."""
        if self._expiry.soonest > wall:
            return 0
        expired = self._expiry.pop_due(wall)
        for key, node in expired:
            self._remove(key, node)
        return len(expired)

    def next_expiry(self) -> float | None:
        """The wall time at which to call `expire` next, at the latest."""
        return self._expiry.next()

    def _has_room(self, publisher: NodeId, storer: NodeId) -> bool:
        brought = len(self._of_storer.get(storer, ()))
        if self._of_publisher[publisher] >= self._settings.publisher_quota or brought >= self._settings.storer_quota:
            return False
        return self._size < self._settings.total_quota or self._make_room(brought + 1)

    def _make_room(self, brought: int) -> bool:
        """Drop the newest record of the peer that brought most, if that is more than `brought`."""
        most = max(self._of_storer.values(), key=len)
        if len(most) <= brought:
            return False
        key, node = next(reversed(most))
        self._expiry.cancel((key, node))
        self._remove(key, node)
        return True

    def _insert(self, key: bytes, record: Record, storer: NodeId) -> None:
        self._kept.setdefault(key, {})[record.node] = _Kept(record, storer)
        bisect.insort(self._nodes.setdefault(key, []), record.node)
        self._of_publisher[record.node] += 1
        self._of_storer.setdefault(storer, {})[key, record.node] = None
        self._size += 1

    def _remove(self, key: bytes, node: NodeId) -> None:
        kept = self._kept[key].pop(node)
        nodes = self._nodes[key]
        del nodes[bisect.bisect_left(nodes, node)]
        if not nodes:
            del self._kept[key], self._nodes[key]
        self._of_publisher[node] -= 1
        if not self._of_publisher[node]:
            del self._of_publisher[node]
        brought = self._of_storer[kept.storer]
        del brought[key, node]
        if not brought:
            del self._of_storer[kept.storer]
        self._size -= 1
