from __future__ import annotations

from collections import deque
from typing import cast

from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import HandshakeCompleted, PingAcknowledged, QuicEvent, StreamDataReceived

from macula.providers.quic.joining import take_events


class Queue:
    """Events as a connection has them."""

    def __init__(self, *events: QuicEvent) -> None:
        self._events = deque(events)

    def next_event(self) -> QuicEvent | None:
        return self._events.popleft() if self._events else None


def taken(*events: QuicEvent) -> list[QuicEvent]:
    return list(take_events(cast("QuicConnection", Queue(*events))))


def data(stream: int, content: bytes, end: bool = False) -> StreamDataReceived:
    return StreamDataReceived(content, end, stream)


def test_neighbouring_pieces_of_a_stream_are_one() -> None:
    assert taken(data(2, b"a"), data(2, b"b"), data(2, b"c", end=True)) == [data(2, b"abc", end=True)]


def test_streams_keep_their_order_among_all_else() -> None:
    done, ping = HandshakeCompleted("macula", False, False), PingAcknowledged(0)
    events = [done, data(2, b"a"), data(6, b"b"), data(2, b"c"), ping, data(2, b"d"), data(2, b"e"), ping]
    joined = [done, data(2, b"a"), data(6, b"b"), data(2, b"c"), ping, data(2, b"de"), ping]
    assert taken(*events) == joined


def test_nothing_has_happened() -> None:
    assert taken() == []
