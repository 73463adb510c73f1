"""Lanes on streams: each side opens one long-lived unidirectional stream per lane, once it has something to say there.

A peer of a version that has fewer lanes allows fewer streams: the highest lanes are then not opened, by either side.

The first byte of a stream is the lane's number, with CONTINUES set if the sender used another connection for this lane
before: the receiver then delivers what comes here only after that other stream has ended.

What comes faster than a lane's rate, or more of one peer than its share of a turn, is kept and read later. Only what
was read opens the window again, so a peer that goes on is stopped by it, and nothing is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from macula.core.lanes import Lane
from macula.core.pace import Pace
from macula.errors import ProtocolError
from macula.providers.quic.settings import QuicSettings
from macula.wire import Decoded, Decoder, codes

CONTINUES = 0x80
TURN = 32
"""Messages of one peer that are read in one turn, before those of others: a millisecond's worth. What they lead to goes
out at its end, so that the peer works on that while the rest is read."""
PIECE = 2048
"""Bytes read before rates are looked at again; so many may be read too much."""
BURST = 0.5
"""Seconds' worth of a lane's rate that may come at once."""
CONTROL_SIZE = 4096
"""Bytes that count as one message on the control lane: most are far smaller, and what is large there is costly."""


Reading = tuple[Lane, list[Decoded], bool, bool]
"""What was read on a lane; whether it is the last of it; and whether from now on the rest has to wait for the rate of
the lane. A plain tuple, which costs a tenth of a named one: there is one for each packet."""


class Unread(NamedTuple):
    """Of a stream: the offset up to which its messages were read, the bytes that came after it, and whether it is this
    node that does not read on."""

    stream_id: int
    start: int
    size: int
    waits: bool


@dataclass(slots=True)
class _Inbound:
    lane: Lane
    stream_id: int
    granted: int
    held: bool
    pace: Pace
    decoder: Decoder = field(default_factory=Decoder)
    consumed: int = 0
    ended: bool = False
    slowed: bool = False
    waiting: bytearray = field(default_factory=bytearray)


class InboundLanes:
    """The lanes that the peer sends on: bytes of streams to messages, and windows that follow them."""

    def __init__(self, settings: QuicSettings) -> None:
        self.expected = len(Lane)
        """How many lanes the peer opens."""
        self._settings = settings
        self._window = settings.lane_window
        self._by_stream: dict[int, _Inbound] = {}
        self._by_lane: dict[Lane, _Inbound] = {}
        self._paused: set[Lane] = set()
        self._behind: dict[Lane, _Inbound] = {}
        self._turn = 0.0
        self._left = TURN

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
        """Whether the peer has ended every lane, and all of it was read."""
        ended = not self._behind and all(inbound.ended for inbound in self._by_lane.values())
        return ended and len(self._by_lane) >= self.expected

    @property
    def resume_at(self) -> float | None:
        """When to call read_on; None if nothing waits to be read."""
        return min(inbound.pace.ready_at for inbound in self._behind.values()) if self._behind else None

    def knows(self, stream_id: int) -> bool:
        """Whether this stream has named its lane."""
        return stream_id in self._by_stream

    def feed(self, stream_id: int, data: bytes, end: bool, now: float) -> Reading:
        """The messages completed by a piece of a stream. Raises ProtocolError."""
        inbound = self._by_stream.get(stream_id)
        if inbound is None:
            if not data:
                raise ProtocolError(codes.BAD_FRAME, "a stream ended before it named its lane")
            inbound = self._open(stream_id, data[0])
            data = data[1:]
            inbound.consumed = 1
        if end:
            inbound.ended = True
        if self._turn != now:
            self._turn, self._left = now, TURN
        if inbound.held or inbound.waiting:
            inbound.waiting += data
            return inbound.lane, [], False, False
        if len(data) <= PIECE and inbound.pace.ready_at <= now and self._left > 0:
            return inbound.lane, self._decode(inbound, data, now), inbound.ended, False
        inbound.waiting += data
        self._behind[inbound.lane] = inbound
        return self._read_waiting(inbound, now)

    def release(self, lane: Lane) -> None:
        """The other stream of this lane has ended: what waited for it may be read on."""
        inbound = self._by_lane.get(lane)
        if inbound is not None and inbound.held:
            inbound.held = False
            self._behind[lane] = inbound

    def read_on(self, now: float, *, last: bool = False) -> list[Reading]:
        """What waited and may be read by now, lanes that are small before large ones; the `last` time all that the
        rates allow. Raises ProtocolError."""
        self._turn, self._left = now, (1 << 30 if last else TURN)
        behind = sorted(self._behind.values(), key=lambda inbound: inbound.lane)
        return [self._read_waiting(inbound, now) for inbound in behind]

    def unread(self, incomplete: Mapping[int, int]) -> list[Unread]:
        """What came of each stream and cannot be read; `incomplete` are bytes by stream that are not here yet."""
        parts = []
        for stream_id, beyond in incomplete.items():
            start, size, waits = 0, beyond, False
            inbound = self._by_stream.get(stream_id)
            if inbound is not None:
                unfinished = inbound.decoder.unfinished
                size += unfinished + len(inbound.waiting)
                start = inbound.consumed - unfinished
                waits = bool(inbound.waiting) or inbound.lane in self._paused
            if size:
                parts.append(Unread(stream_id, start, size, waits))
        return parts

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
        held, pace = bool(first & CONTINUES), _pace(lane, self._settings)
        inbound = _Inbound(lane, stream_id, granted=self._window, held=held, pace=pace)
        self._by_stream[stream_id] = self._by_lane[lane] = inbound
        return inbound

    def _read_waiting(self, inbound: _Inbound, now: float) -> Reading:
        decoded: list[Decoded] = []
        waiting, was_slow = inbound.waiting, inbound.slowed
        while waiting:
            inbound.slowed = was_slow or inbound.pace.ready_at > now
            if inbound.pace.ready_at > now or self._left <= 0:
                return inbound.lane, decoded, False, inbound.slowed and not was_slow
            piece = bytes(waiting[:PIECE])
            del waiting[:PIECE]
            decoded += self._decode(inbound, piece, now)
        inbound.slowed = False
        del self._behind[inbound.lane]
        return inbound.lane, decoded, inbound.ended, False

    def _decode(self, inbound: _Inbound, data: bytes, now: float) -> list[Decoded]:
        decoded = inbound.decoder.feed(data)
        inbound.consumed += len(data)
        inbound.pace.spend(len(decoded), len(data), now)
        self._left -= len(decoded)
        return decoded


def _pace(lane: Lane, settings: QuicSettings) -> Pace:
    if lane is Lane.CONTROL:
        return Pace(settings.control_rate, settings.control_rate * CONTROL_SIZE, BURST)
    return Pace(settings.message_rate, settings.byte_rate, BURST)
