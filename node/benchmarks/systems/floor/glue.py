"""What both sides of the floor have in common."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import QuicEvent, StreamDataReceived

from benchmarks.certificates import ed25519

ID = 8
FRAME = ID + 64
"""Bytes of a frame: correlation id and payload."""
ACKNOWLEDGED = 1 << 20
"""Bytes of chunks after which the receiver says how many have come."""
WINDOW = 2 << 20
"""Bytes of chunks that may be sent and not acknowledged: what a streaming call of a node may have on its way."""


def configuration(*, is_client: bool) -> QuicConfiguration:
    """As aioquic has it, with a certificate on both sides."""
    chosen = QuicConfiguration(is_client=is_client, alpn_protocols=["floor"], verify_mode=ssl.CERT_NONE)
    chosen.certificate, chosen.private_key = ed25519()
    return chosen


class Glue(QuicConnectionProtocol):
    """Pieces of streams in, writes out, those of one turn together."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._flushing = False

    def quic_event_received(self, event: QuicEvent) -> None:
        """Of aioquic."""
        if isinstance(event, StreamDataReceived):
            self.received(event.stream_id, event.data)

    def received(self, stream: int, data: bytes) -> None:
        """A piece of a stream has come."""
        raise NotImplementedError

    def write(self, stream: int, data: bytes) -> None:
        """Send, with all else that is written in this turn."""
        self._quic.send_stream_data(stream, data)
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        self.transmit()


class Cutter:
    """Cuts a stream into frames of one size."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._rest = b""

    def whole(self, data: bytes) -> bytes:
        """The frames that are complete, one after the other."""
        data = self._rest + data
        end = len(data) - len(data) % self._size
        self._rest = data[end:]
        return data[:end]
