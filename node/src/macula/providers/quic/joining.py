"""aioquic's events, those of one transfer as one: it comes in many packets, and a lane reads them at once."""

from __future__ import annotations

from collections.abc import Iterator

from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import QuicEvent, StreamDataReceived


def take_events(quic: QuicConnection) -> Iterator[QuicEvent]:
    """What has happened since the last time; what follows on each other of one stream is one piece."""
    event = quic.next_event()
    while event is not None:
        following = quic.next_event()
        if isinstance(event, StreamDataReceived):
            pieces = [event.data]
            while isinstance(following, StreamDataReceived) and following.stream_id == event.stream_id:
                pieces.append(following.data)
                event, following = following, quic.next_event()
            if len(pieces) > 1:
                event = StreamDataReceived(b"".join(pieces), event.end_stream, event.stream_id)
        yield event
        event = following
