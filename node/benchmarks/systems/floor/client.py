"""The side of the floor that dials: calls, sends chunks, subscribes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from aioquic.asyncio.client import connect
from aioquic.quic.connection import QuicConnection

from benchmarks.certificates import HOST
from benchmarks.nodes import CHUNK, PAYLOAD
from benchmarks.systems import Call, Close, Open, Send
from benchmarks.systems.floor.glue import ACKNOWLEDGED, FRAME, ID, WINDOW, Cutter, Glue, configuration

_Protocol = TypeVar("_Protocol", bound=Glue)


@asynccontextmanager
async def calling(place: str) -> AsyncIterator[Call]:
    """Calls, all on one stream."""
    async with _connected(_Caller, place) as client:
        yield client.call


@asynccontextmanager
async def sending(place: str) -> AsyncIterator[Send]:
    """Chunks, all on one stream."""
    async with _connected(_Sender, place) as client:
        yield client.send


@asynccontextmanager
async def opening(place: str) -> AsyncIterator[Open]:
    """Connections, each from a port of its own, as aioquic's client makes them."""
    chosen = configuration(is_client=True)
    loop = asyncio.get_running_loop()

    async def open_one() -> Close:
        quic = QuicConnection(configuration=chosen)
        transport, client = await loop.create_datagram_endpoint(lambda: _Caller(quic), local_addr=(HOST, 0))
        client.connect((HOST, int(place)))
        await client.wait_connected()
        await client.call()

        async def close() -> None:
            # Not what aioquic's client does: it would wait until nothing of the connection can come any more.
            client.close()
            transport.close()

        return close

    yield open_one


@asynccontextmanager
async def subscribing(place: str, arrived: Callable[[], None]) -> AsyncIterator[None]:
    """Counts frames."""
    async with _connected(_Subscriber, place) as client:
        client.arrived = arrived
        yield


class _Caller(Glue):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stream: int | None = None
        self._count = 0
        self._answers = Cutter(FRAME)
        self._waiting: dict[bytes, asyncio.Future[bytes]] = {}

    async def call(self) -> bytes:
        """Send it, and wait for it to come back."""
        if self._stream is None:
            self._stream = self._quic.get_next_available_stream_id()
        self._count += 1
        number = self._count.to_bytes(ID)
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        self.write(self._stream, number + PAYLOAD.encode())
        return await future

    def received(self, stream: int, data: bytes) -> None:
        whole = self._answers.whole(data)
        for at in range(0, len(whole), FRAME):
            self._waiting.pop(whole[at : at + ID]).set_result(whole[at + ID : at + FRAME])


class _Sender(Glue):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stream: int | None = None
        self._answers = Cutter(ID)
        self._sent = self._taken = 0
        self._moved = asyncio.Event()

    async def send(self, chunks: int) -> None:
        """A whole number of ACKNOWLEDGED bytes."""
        if self._stream is None:
            self._stream = self._quic.get_next_available_stream_id(is_unidirectional=True)
        chunk = os.urandom(CHUNK)
        for _ in range(chunks):
            self.write(self._stream, chunk)
            self._sent += CHUNK
            await self._until(self._sent - WINDOW)
        await self._until(self._sent // ACKNOWLEDGED * ACKNOWLEDGED)

    async def _until(self, taken: int) -> None:
        while self._taken < taken:
            self._moved.clear()
            await self._moved.wait()

    def received(self, stream: int, data: bytes) -> None:
        if whole := self._answers.whole(data):
            self._taken = int.from_bytes(whole[-ID:])
            self._moved.set()


class _Subscriber(Glue):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._frames = Cutter(FRAME)
        self.arrived: Callable[[], None] = lambda: None

    def received(self, stream: int, data: bytes) -> None:
        for _ in range(len(self._frames.whole(data)) // FRAME):
            self.arrived()


@asynccontextmanager
async def _connected(protocol: type[_Protocol], place: str) -> AsyncIterator[_Protocol]:
    chosen = configuration(is_client=True)
    async with connect(HOST, int(place), configuration=chosen, create_protocol=protocol) as client:
        assert isinstance(client, protocol)
        yield client
