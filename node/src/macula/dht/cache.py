"""The read cache: what a lookup found, while it may still be believed."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from macula.core.peer_record import PeerInfo
from macula.core.record import Record
from macula.dht.findings import Findings
from macula.dht.settings import DhtSettings


@dataclass(slots=True)
class Cached:
    """What is known of a key: the newest records (tombstones included), when they were read, and the nodes that were
    closest when they were last looked up in full. Times are `now`, `expires` is `wall`."""

    records: list[Record]
    filled: float
    expires: float
    closest: tuple[PeerInfo, ...]
    looked_up: float


class RecordCache:
    """The keys read last, bounded in keys and in records."""

    def __init__(self, settings: DhtSettings) -> None:
        self._settings = settings
        self._entries: OrderedDict[bytes, Cached] = OrderedDict()
        self._records = 0

    def get(self, key: bytes) -> Cached | None:
        """What is known of a key, however old."""
        entry = self._entries.get(key)
        if entry:
            self._entries.move_to_end(key)
        return entry

    def fresh(self, key: bytes, max_age: float, now: float, wall: float) -> list[Record] | None:
        """The records read at most `max_age` s ago. None also from the moment on at which one of them expires, since
        its node has renewed it by then or is gone."""
        entry = self.get(key)
        if entry is None or now - entry.filled > max_age or wall >= entry.expires:
            return None
        return entry.records

    def closest(self, key: bytes, now: float) -> tuple[PeerInfo, ...]:
        """The nodes closest to the key, if a full lookup found them lately; else none."""
        entry = self.get(key)
        fresh = entry is not None and now - entry.looked_up <= self._settings.closest_fresh
        return entry.closest if entry and fresh else ()

    def put(self, findings: Findings, closest: tuple[PeerInfo, ...], full: bool, now: float, wall: float) -> None:
        """Keep what a lookup found. Unless it was a full one, the closest nodes stay those of the last full one."""
        records = [record for record in findings.records() if record.expires > wall]
        expires = min((record.expires for record in records), default=float("inf"))
        old = self._entries.pop(findings.key, None)
        looked_up = now
        if old:
            self._records -= len(old.records)
            if not full:
                closest, looked_up = old.closest, old.looked_up
        elif not full:
            closest = ()
        self._entries[findings.key] = Cached(records, now, expires, closest, looked_up)
        self._records += len(records)
        while len(self._entries) > self._settings.cache_keys or self._records > self._settings.cache_records:
            self._records -= len(self._entries.popitem(last=False)[1].records)

    def __len__(self) -> int:
        return len(self._entries)
