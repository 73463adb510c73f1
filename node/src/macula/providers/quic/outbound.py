"""The lanes that this node sends on, and their credit."""

from __future__ import annotations

from dataclasses import dataclass

from macula.core.lanes import Lane
from macula.providers.quic.bulk import BulkWindow
from macula.providers.quic.lanes import CONTINUES
from macula.providers.quic.settings import QuicSettings
from macula.providers.quic.tuned import TunedConnection


@dataclass(slots=True)
class _Outbound:
    stream_id: int
    blocked: bool = False


class OutboundLanes:
    """A stream for each lane that the peer has; what is written to the bulk lane waits for a window of its own."""

    def __init__(self, quic: TunedConnection, settings: QuicSettings) -> None:
        self._quic = quic
        self._settings = settings
        self._lanes: dict[Lane, _Outbound] = {}
        self._bulk = BulkWindow(settings.lane_window)

    @property
    def unacknowledged(self) -> bool:
        """Whether anything was written that the peer has not acknowledged."""
        return any(self._unsent(lane, outbound) for lane, outbound in self._lanes.items())

    @property
    def blocked(self) -> list[Lane]:
        """Lanes that are over their credit."""
        return [lane for lane, outbound in self._lanes.items() if outbound.blocked]

    def open(self, *, continues: bool) -> None:
        """Open them, as new ones or as those of another connection."""
        for lane in list(Lane)[: self._quic.streams_allowed]:
            stream_id = self._quic.get_next_available_stream_id(is_unidirectional=True)
            self._lanes[lane] = _Outbound(stream_id)
            self._quic.send_stream_data(stream_id, bytes([lane | CONTINUES if continues else lane]))

    def end(self) -> None:
        """End them, after all that was written."""
        for lane, outbound in self._lanes.items():
            rest = self._bulk.take_all() if lane is Lane.BULK else b""
            self._quic.send_stream_data(outbound.stream_id, rest, end_stream=True)

    def write(self, lane: Lane, frame: bytes) -> bool:
        """Write a frame, or lose it on a lane that the peer does not have. Returns whether that used up the credit."""
        outbound = self._lanes.get(lane)
        if outbound is None:
            return False
        if lane is Lane.BULK:
            self._bulk.put(frame)
        else:
            self._quic.send_stream_data(outbound.stream_id, frame)
        if outbound.blocked or self._unsent(lane, outbound) <= self._settings.high_water:
            return False
        outbound.blocked = True
        return True

    def send_bulk(self, now: float) -> None:
        """Send of the bulk lane what its window has room for."""
        outbound = self._lanes.get(Lane.BULK)
        if outbound is not None and self._bulk.waiting:
            data = self._bulk.take(self._quic.buffered(outbound.stream_id), self._quic.newest_rtt, now)
            self._quic.send_stream_data(outbound.stream_id, data)

    def moved(self) -> None:
        """The path is another one."""
        self._bulk.restart()

    def unblock(self) -> list[Lane]:
        """Lanes that have credit again since the last call."""
        freed = []
        for lane, outbound in self._lanes.items():
            if outbound.blocked and self._unsent(lane, outbound) <= self._settings.low_water:
                outbound.blocked = False
                freed.append(lane)
        return freed

    def _unsent(self, lane: Lane, outbound: _Outbound) -> int:
        waiting = self._bulk.waiting if lane is Lane.BULK else 0
        return waiting + self._quic.buffered(outbound.stream_id)
