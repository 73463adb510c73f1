"""The side of the floor that listens: echoes, takes chunks, publishes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aioquic.asyncio.server import serve
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import HandshakeCompleted, QuicEvent, StreamDataReceived

from benchmarks.certificates import HOST
from benchmarks.nodes import PAYLOAD
from benchmarks.systems import Call
from benchmarks.systems.floor.glue import ACKNOWLEDGED, FRAME, ID, Cutter, Glue, configuration


@asynccontextmanager
async def serving(work: str) -> AsyncIterator[str]:
    """Echo frames, count chunks."""
    async with _listening(_Server) as port:
        yield port


@asynccontextmanager
async def publishing() -> AsyncIterator[tuple[str, Call]]:
    """Everybody who connects is a subscriber."""
    subscribers: list[_Publisher] = []
    frame = bytes(ID) + PAYLOAD.encode()

    async def publish() -> None:
        for subscriber in subscribers:
            subscriber.publish(frame)
        await asyncio.sleep(0)

    def joined(*args: Any, **kwargs: Any) -> _Publisher:
        subscribers.append(_Publisher(*args, **kwargs))
        return subscribers[-1]

    async with _listening(joined) as port:
        yield port, publish


class _Listening(Glue):
    def __init__(self, quic: QuicConnection, *args: Any, **kwargs: Any) -> None:
        super().__init__(quic, *args, **kwargs)
        # aioquic has no public way to ask for the client's certificate.
        initialize = quic._initialize

        def mutual(peer_cid: bytes) -> None:
            initialize(peer_cid)
            quic.tls._request_client_certificate = True

        quic._initialize = mutual  # type: ignore[method-assign]


class _Server(_Listening):
    """A client's bidirectional streams have calls, its unidirectional ones chunks."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._calls = Cutter(FRAME)
        self._taken = self._told = 0
        self._answers: int | None = None

    def received(self, stream: int, data: bytes) -> None:
        if stream % 4 == 0:
            if whole := self._calls.whole(data):
                self.write(stream, whole)
            return
        self._taken += len(data)
        if self._taken - self._told >= ACKNOWLEDGED:
            if self._answers is None:
                self._answers = self._quic.get_next_available_stream_id(is_unidirectional=True)
            self._told += ACKNOWLEDGED
            self.write(self._answers, self._told.to_bytes(ID))


class _Publisher(_Listening):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._events: int | None = None

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, HandshakeCompleted):
            self._events = self._quic.get_next_available_stream_id(is_unidirectional=True)
        elif isinstance(event, StreamDataReceived):
            self.received(event.stream_id, event.data)

    def received(self, stream: int, data: bytes) -> None:
        self.write(stream, data)

    def publish(self, frame: bytes) -> None:
        if self._events is not None:
            self.write(self._events, frame)


@asynccontextmanager
async def _listening(protocol: Any) -> AsyncIterator[str]:
    server = await serve(HOST, 0, configuration=configuration(is_client=False), create_protocol=protocol)
    try:
        # aioquic tells nobody which port it got.
        assert server._transport is not None
        yield str(server._transport.get_extra_info("sockname")[1])
    finally:
        server.close()
