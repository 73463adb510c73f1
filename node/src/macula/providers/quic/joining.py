"""aioquic's events, those of one transfer as one: it comes in many packets, and a lane reads them at once."""

from __future__ import annotations

from collections.abc import Sequence

from aioquic.quic.events import QuicEvent, StreamDataReceived


def join(events: Sequence[QuicEvent]) -> list[QuicEvent]:
    """The same events, but what follows on each other of one stream is one piece."""
    joined: list[QuicEvent] = []
    index = 0
    while index < len(events):
        event = events[index]
        index += 1
        if isinstance(event, StreamDataReceived):
            pieces = [event.data]
            while index < len(events):
                following = events[index]
                if not isinstance(following, StreamDataReceived) or following.stream_id != event.stream_id:
                    break
                pieces.append(following.data)
                event = following
                index += 1
            if len(pieces) > 1:
                event = StreamDataReceived(b"".join(pieces), event.end_stream, event.stream_id)
        joined.append(event)
    return joined
