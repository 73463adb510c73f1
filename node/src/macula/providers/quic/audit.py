"""What peers began and do not finish: frames of which the rest does not come, streams with holes. Each may hold a
lane's window of memory. They are looked at once a second while there are any: that costs nothing for each packet."""

from __future__ import annotations

from collections.abc import Iterable

from macula.providers.quic.closing import Closing
from macula.providers.quic.connection import Connection
from macula.providers.quic.lanes import Unread
from macula.providers.quic.settings import QuicSettings
from macula.wire import codes

INTERVAL = 1.0
"""Seconds between two looks."""


class Audit:
    """Call `look` at `next_at`; `heard` whenever something came."""

    def __init__(self, settings: QuicSettings) -> None:
        self.next_at: float | None = None
        self._settings = settings
        self._since: dict[tuple[int, int], tuple[int, float]] = {}

    def heard(self, now: float) -> None:
        """Something came of some peer."""
        if self.next_at is None:
            self.next_at = now + INTERVAL

    def look(self, connections: Iterable[Connection], now: float) -> list[tuple[Connection, Closing]]:
        """Those to be closed: who has not finished something in time, and, if all is too much, who holds most."""
        self.next_at = None
        before, self._since = self._since, {}
        closings: list[tuple[Connection, Closing]] = []
        held: list[tuple[int, Connection]] = []
        for connection in connections:
            parts = connection.unread
            if not parts:
                continue
            self.next_at = now + INTERVAL
            if any(self._is_late(connection.number, part, before, now) for part in parts):
                closings.append((connection, Closing(codes.UNEXPECTED, "a message was not finished in time")))
            else:
                held.append((sum(part.size for part in parts), connection))
        total = sum(size for size, _ in held)
        # Rarely more than one: sorted by size alone, since connections have no order.
        for size, connection in sorted(held, key=lambda each: each[0], reverse=True):
            if total <= self._settings.max_unread:
                break
            total -= size
            closings.append((connection, Closing(codes.BUSY, "too many messages are unfinished")))
        return closings

    def _is_late(self, number: int, part: Unread, before: dict[tuple[int, int], tuple[int, float]], now: float) -> bool:
        key = (number, part.stream_id)
        start, since = before.get(key, (part.start, now))
        if start != part.start or part.waits:
            since = now
        self._since[key] = (part.start, since)
        return now - since > self._settings.frame_time + part.size / self._settings.frame_rate
