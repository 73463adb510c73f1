"""The lanes that this node sends on, and their credit."""

from __future__ import annotations

from dataclasses import dataclass, field

from macula.core.lanes import Lane
from macula.core.pace import Pace
from macula.providers.quic.bulk import BulkWindow
from macula.providers.quic.lanes import CONTINUES
from macula.providers.quic.settings import QuicSettings
from macula.providers.quic.tuned import TunedConnection

SLICE = 4096
"""Bytes of the bulk lane that one connection sends before others have their turn, where there is a rate for all."""
_UPLINK_BURST = 0.01
"""Seconds' worth of that rate that goes out at once: timers of a busy host are late by so much."""


def make_uplink(settings: QuicSettings) -> Pace | None:
    """What all connections of a node share: the rate of their bulk lanes together, if there is one."""
    return Pace(0, settings.bulk_rate, _UPLINK_BURST) if settings.bulk_rate else None


@dataclass(slots=True)
class _Outbound:
    first: bytes
    """What its stream begins with: the lane's number."""
    stream_id: int | None = None
    """Once there is something to say on the lane: most idle peers need the control lane only."""
    blocked: bool = False
    written: bytearray = field(default_factory=bytearray)


class OutboundLanes:
    """A stream for each lane that the peer has, from the first word on it. What is written between two calls of `flush`
    reaches aioquic as one piece; what is written to the bulk lane waits for a window of its own."""

    def __init__(self, quic: TunedConnection, settings: QuicSettings, uplink: Pace | None = None) -> None:
        """`uplink` is shared by all connections."""
        self._quic = quic
        self._uplink = uplink
        self._slot: float | None = None
        self._allowed = 0
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
        """Open them, as new ones or as those of another connection. The control lane, by which the peer sees that the
        connection is used, is opened at once; so are all that continue, which others wait for."""
        for lane in list(Lane)[: self._quic.streams_allowed]:
            self._lanes[lane] = outbound = _Outbound(bytes([lane | CONTINUES if continues else lane]))
            if continues or lane is Lane.CONTROL:
                self._give(outbound, b"")

    def end(self) -> None:
        """End them, after all that was written."""
        for lane, outbound in self._lanes.items():
            rest = self._bulk.take_all() if lane is Lane.BULK else bytes(outbound.written)
            outbound.written.clear()
            self._give(outbound, rest, end=True)

    def write(self, lane: Lane, frame: bytes) -> bool:
        """Write a frame, or lose it on a lane that the peer does not have. Returns whether that used up the credit."""
        outbound = self._lanes.get(lane)
        if outbound is None:
            return False
        if lane is Lane.BULK:
            self._bulk.put(frame)
        else:
            outbound.written += frame
        if outbound.blocked or self._unsent(lane, outbound) <= self._settings.high_water:
            return False
        outbound.blocked = True
        return True

    @property
    def bulk_at(self) -> float | None:
        """When to call flush again, if only the rate of the uplink holds the bulk lane back."""
        return self._slot if self._bulk.waiting else None

    def flush(self, now: float) -> None:
        """Give aioquic what was written; of the bulk lane what its window has room for, and the uplink."""
        for each in self._lanes.values():
            if each.written:
                self._give(each, bytes(each.written))
                each.written.clear()
        outbound = self._lanes.get(Lane.BULK)
        if outbound is None:
            return
        while self._bulk.waiting:
            allowed = self._bulk.waiting if self._uplink is None else self._allow(self._uplink, now)
            data = self._bulk.take(self._buffered(outbound), self._quic.newest_rtt, now, allowed)
            self._give(outbound, data)
            if self._uplink is None or not data:
                return
            self._allowed -= len(data)

    def _allow(self, uplink: Pace, now: float) -> int:
        # A connection that has to wait takes its place in the line, or one that is always earlier would take them all.
        if not self._allowed:
            if self._slot is None:
                self._slot = uplink.ready_at
                uplink.spend(0, SLICE, now)
            if self._slot <= now:
                self._slot, self._allowed = None, SLICE
        return self._allowed

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
        waiting = self._bulk.waiting if lane is Lane.BULK else len(outbound.written)
        return waiting + self._buffered(outbound)

    def _buffered(self, outbound: _Outbound) -> int:
        return 0 if outbound.stream_id is None else self._quic.buffered(outbound.stream_id)

    def _give(self, outbound: _Outbound, data: bytes, *, end: bool = False) -> None:
        if outbound.stream_id is None:
            outbound.stream_id = self._quic.get_next_available_stream_id(is_unidirectional=True)
            data = outbound.first + data
        self._quic.send_stream_data(outbound.stream_id, data, end_stream=end)
