"""grpc.aio over TLS, bytes in and out: no protobuf."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc

from benchmarks.certificates import HOST, p256_files
from benchmarks.nodes import PAYLOAD, random_chunks
from benchmarks.systems import Call, Close, Open, Send

_OPTIONS = [("grpc.use_local_subchannel_pool", 1)]
"""Every channel is a connection; otherwise those to one place share one."""


@asynccontextmanager
async def serving(work: str) -> AsyncIterator[str]:
    """Unary calls, and one that takes a stream."""

    async def echo(request: bytes, context: Any) -> bytes:
        return request

    async def sink(requests: Any, context: Any) -> bytes:
        return str(sum([len(chunk) async for chunk in requests])).encode()

    handlers = {
        "echo": grpc.unary_unary_rpc_method_handler(echo),
        "sink": grpc.stream_unary_rpc_method_handler(sink),
    }
    async with _listening(handlers) as place:
        yield place


@asynccontextmanager
async def calling(place: str) -> AsyncIterator[Call]:
    """Unary calls."""
    async with _channel(place) as channel:
        echo = channel.unary_unary("/bench/echo")

        async def call() -> object:
            return await echo(PAYLOAD.encode())

        yield call


@asynccontextmanager
async def sending(place: str) -> AsyncIterator[Send]:
    """Streams of messages."""
    async with _channel(place) as channel:
        sink = channel.stream_unary("/bench/sink")

        async def send(chunks: int) -> object:
            return await sink(random_chunks(chunks))

        yield send


@asynccontextmanager
async def opening(place: str) -> AsyncIterator[Open]:
    """Channels."""

    async def open_one() -> Close:
        channel = _channel(place)
        await channel.unary_unary("/bench/echo")(PAYLOAD.encode())
        close: Close = channel.close
        return close

    yield open_one


@asynccontextmanager
async def publishing() -> AsyncIterator[tuple[str, Call]]:
    """Each subscriber is a call whose answers are a stream."""
    queues: list[asyncio.Queue[bytes]] = []

    async def events(request: bytes, context: Any) -> AsyncIterator[bytes]:
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        queues.append(queue)
        await context.send_initial_metadata(())
        while True:
            yield await queue.get()

    async def publish() -> None:
        for queue in queues:
            queue.put_nowait(PAYLOAD.encode())
        await asyncio.sleep(0)

    async with _listening({"events": grpc.unary_stream_rpc_method_handler(events)}) as place:
        yield place, publish


@asynccontextmanager
async def subscribing(place: str, arrived: Callable[[], None]) -> AsyncIterator[None]:
    """A channel for each subscriber."""

    async def take(events: Any) -> None:
        async for _ in events:
            arrived()

    async with _channel(place) as channel, asyncio.TaskGroup() as group:
        events = channel.unary_stream("/bench/events")(b"")
        await events.wait_for_connection()
        task = group.create_task(take(events))
        yield
        task.cancel()


def _channel(place: str) -> Any:
    port, certificate = place.split(" ")
    credentials = grpc.ssl_channel_credentials(Path(certificate).read_bytes())
    return grpc.aio.secure_channel(f"{HOST}:{port}", credentials, _OPTIONS)


@asynccontextmanager
async def _listening(handlers: dict[str, Any]) -> AsyncIterator[str]:
    with p256_files() as (certificate, key):
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench", handlers),))
        pair = (key.read_bytes(), certificate.read_bytes())
        port = server.add_secure_port(f"{HOST}:0", grpc.ssl_server_credentials([pair]))
        await server.start()
        try:
            yield f"{port} {certificate}"
        finally:
            await server.stop(None)
