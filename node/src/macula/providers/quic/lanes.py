"""Lanes on streams: each side opens one long-lived unidirectional stream per lane.

A peer of a version that has fewer lanes allows fewer streams: the highest lanes are then not opened, by either side.

The first byte of a stream is the lane's number, with CONTINUES set if the sender used another connection for this lane
before: the receiver then delivers what comes here only after that other stream has ended.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from macula.core.lanes import Lane
from macula.errors import ProtocolError
from macula.wire import Decoded, Decoder, codes

CONTINUES = 0x80


@dataclass(slots=True)
class _Inbound:
    lane: Lane
    stream_id: int
    granted: int
    held: bool
    decoder: Decoder = field(default_factory=Decoder)
    consumed: int = 0
    ended: bool = False
    waiting: list[bytes] = field(default_factory=list)


class InboundLanes:
    """The lanes that the peer sends on: bytes of streams to messages, and windows that follow them."""

    def __init__(self, window: int) -> None:
        self.expected = len(Lane)
        """How many lanes the peer opens."""
        self._window = window
        self._by_stream: dict[int, _Inbound] = {}
        self._by_lane: dict[Lane, _Inbound] = {}
        self._paused: set[Lane] = set()

    @property
    def opened(self) -> bool:
        """Whether the peer has opened any lane."""
        return bool(self._by_lane)

    @property
    def continues(self) -> bool:
        """Whether the peer still has to finish these lanes on another connection."""
        return any(inbound.held for inbound in self._by_lane.values())

    @property
    def all_ended(self) -> bool:
        """Whether the peer has ended every lane."""
        return len(self._by_lane) >= self.expected and all(inbound.ended for inbound in self._by_lane.values())

    def knows(self, stream_id: int) -> bool:
        """Whether this stream has named its lane."""
        return stream_id in self._by_stream

    def feed(self, stream_id: int, data: bytes, end: bool) -> tuple[Lane, list[Decoded]]:
        """The messages completed by a piece of a stream. Raises ProtocolError."""
        inbound = self._by_stream.get(stream_id)
        if inbound is None:
            if not data:
                raise ProtocolError(codes.BAD_FRAME, "a stream ended before it named its lane")
            inbound = self._open(stream_id, data[0])
            data = data[1:]
            inbound.consumed = 1
        inbound.ended = inbound.ended or end
        if inbound.held:
            inbound.waiting.append(data)
            return inbound.lane, []
        return inbound.lane, self._decode(inbound, data)

    def release(self, lane: Lane) -> list[Decoded]:
        """The other stream of this lane has ended: what waited for it. Raises ProtocolError."""
        inbound = self._by_lane.get(lane)
        if inbound is None or not inbound.held:
            return []
        inbound.held = False
        data = b"".join(inbound.waiting)
        inbound.waiting.clear()
        return self._decode(inbound, data)

    def pause(self, lane: Lane, paused: bool) -> None:
        """Stop or go on opening a lane's window; it counts for a lane that is not open yet, too."""
        (self._paused.add if paused else self._paused.discard)(lane)

    def is_paused(self, lane: Lane) -> bool:
        """Whether the lane's window is kept as it is."""
        return lane in self._paused

    def grants(self) -> list[tuple[int, int]]:
        """Stream ids and new limits of lanes whose window has moved by a quarter or more since the last call."""
        moved: list[tuple[int, int]] = []
        for inbound in self._by_lane.values():
            limit = inbound.consumed + self._window
            if inbound.lane not in self._paused and limit - inbound.granted >= self._window // 4:
                inbound.granted = limit
                moved.append((inbound.stream_id, limit))
        return moved

    @property
    def connection_limit(self) -> int:
        """Limit of all lanes together: what each may use, so that a paused lane never takes from another."""
        opened = sum(inbound.granted for inbound in self._by_lane.values())
        return opened + self._window * (len(Lane) - len(self._by_lane))

    def _open(self, stream_id: int, first: int) -> _Inbound:
        number = first & ~CONTINUES
        if number not in Lane._value2member_map_:
            raise ProtocolError(codes.BAD_FRAME, f"lane {number} is unknown")
        lane = Lane(number)
        if lane in self._by_lane:
            raise ProtocolError(codes.BAD_FRAME, f"lane {lane.name.lower()} was opened twice")
        inbound = _Inbound(lane, stream_id, granted=self._window, held=bool(first & CONTINUES))
        self._by_stream[stream_id] = self._by_lane[lane] = inbound
        return inbound

    def _decode(self, inbound: _Inbound, data: bytes) -> list[Decoded]:
        inbound.consumed += len(data)
        return inbound.decoder.feed(data)
