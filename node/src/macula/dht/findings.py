"""What a value lookup collects: the newest record of each node, and who holds which."""

from __future__ import annotations

from macula.core.record import Record
from macula.identity import NodeId


class Findings:
    """Records under one key, merged by node: the highest sequence wins, tombstones included.

    Only verified records may be added. At most `most` nodes' records are kept; those that come first stay.
    """

    def __init__(self, key: bytes, most: int) -> None:
        self.key = key
        self._most = most
        self._best: dict[NodeId, Record] = {}
        self._held: dict[NodeId, dict[NodeId, int]] = {}
        self._complete: dict[NodeId, None] = {}

    def add(self, record: Record, holder: NodeId | None = None) -> bool:
        """A record that `holder` returned (None: from memory). Returns False if it belongs to another key."""
        if holder is not None and record.key != self.key:
            return False
        best = self._best.get(record.node)
        if best is None and self.full:
            return True
        if best is None or record.seq > best.seq:
            self._best[record.node] = record
        if holder is not None:
            self._held.setdefault(holder, {})[record.node] = record.seq
        return True

    @property
    def full(self) -> bool:
        """Whether there is no room for records of more nodes."""
        return len(self._best) >= self._most

    def completed(self, holder: NodeId) -> None:
        """The holder has returned all it has, so what it did not return is missing there."""
        self._complete[holder] = None

    def records(self) -> list[Record]:
        """The newest record of each node, tombstones and expired ones included."""
        return list(self._best.values())

    def live(self, wall: float) -> tuple[Record, ...]:
        """The newest record of each node in the order of node ids, without tombstones and expired ones."""
        alive = (r for r in self._best.values() if r.expires > wall and not r.is_tombstone)
        return tuple(sorted(alive, key=lambda record: record.node))

    def holders(self) -> tuple[NodeId, ...]:
        """Who returned records, in the order of their answers."""
        return tuple(self._held)

    def repairs(self, holder: NodeId, wall: float, most: int) -> list[Record]:
        """Up to `most` records that this holder lacks or has an old version of.

        A tombstone goes only where an old record stands: elsewhere it says nothing.
        """
        if holder not in self._complete:
            return []
        held = self._held.get(holder, {})
        lacking: list[Record] = []
        for node, record in self._best.items():
            known = held.get(node)
            stale = known is not None and known < record.seq
            if record.expires > wall and (stale or (known is None and not record.is_tombstone)):
                lacking.append(record)
                if len(lacking) == most:
                    break
        return lacking
