from __future__ import annotations

from aioquic.quic.events import HandshakeCompleted, PingAcknowledged, StreamDataReceived

from macula.providers.quic.joining import join


def data(stream: int, content: bytes, end: bool = False) -> StreamDataReceived:
    return StreamDataReceived(content, end, stream)


def test_neighbouring_pieces_of_a_stream_are_one() -> None:
    assert join([data(2, b"a"), data(2, b"b"), data(2, b"c", end=True)]) == [data(2, b"abc", end=True)]


def test_streams_keep_their_order_among_all_else() -> None:
    done, ping = HandshakeCompleted("macula", False, False), PingAcknowledged(0)
    events = [done, data(2, b"a"), data(6, b"b"), data(2, b"c"), ping, data(2, b"d"), data(2, b"e"), ping]
    joined = [done, data(2, b"a"), data(6, b"b"), data(2, b"c"), ping, data(2, b"de"), ping]
    assert join(events) == joined


def test_nothing_has_happened() -> None:
    assert join([]) == []
