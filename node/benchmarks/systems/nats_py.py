"""nats-py with the distribution's nats-server between both sides, over TLS. The server counts as a part of whoever
serves or publishes."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import nats

from benchmarks.certificates import HOST, p256_files
from benchmarks.nodes import CHUNK, PAYLOAD, random_chunks
from benchmarks.processes import free_port
from benchmarks.systems import Call, Close, Open, Send

_FLUSHED = 16
"""Chunks between two flushes: a server drops who is too slow to take what it has for him."""
_STARTING = 10.0


@asynccontextmanager
async def serving(work: str) -> AsyncIterator[str]:
    """Answers requests, counts chunks."""
    taken = 0

    async def echo(message: Any) -> None:
        await message.respond(message.data)

    async def sink(message: Any) -> None:
        nonlocal taken
        taken += len(message.data)

    async def total(message: Any) -> None:
        await message.respond(str(taken).encode())

    async with _server() as place, _client(place) as client:
        for subject, handler in (("echo", echo), ("sink", sink), ("total", total)):
            await client.subscribe(subject, cb=handler)
        await client.flush()
        yield place


@asynccontextmanager
async def calling(place: str) -> AsyncIterator[Call]:
    """Requests."""
    async with _client(place) as client:

        async def call() -> object:
            return await client.request("echo", PAYLOAD.encode(), timeout=30)

        yield call


@asynccontextmanager
async def sending(place: str) -> AsyncIterator[Send]:
    """Messages, then requests until all have been counted."""
    async with _client(place) as client:

        async def counted() -> int:
            return int((await client.request("total", timeout=30)).data)

        async def send(chunks: int) -> None:
            goal = await counted() + chunks * CHUNK
            sent = 0
            async for chunk in random_chunks(chunks):
                await client.publish("sink", chunk)
                sent += 1
                if sent % _FLUSHED == 0:
                    await client.flush()
            while await counted() < goal:
                pass

        yield send


@asynccontextmanager
async def opening(place: str) -> AsyncIterator[Open]:
    """Clients."""

    async def open_one() -> Close:
        client = await _connect(place)
        await client.request("echo", PAYLOAD.encode(), timeout=30)
        close: Close = client.close
        return close

    yield open_one


@asynccontextmanager
async def publishing() -> AsyncIterator[tuple[str, Call]]:
    """Messages."""
    async with _server() as place, _client(place) as client:

        async def publish() -> object:
            return await client.publish("events", PAYLOAD.encode())

        yield place, publish


@asynccontextmanager
async def subscribing(place: str, arrived: Callable[[], None]) -> AsyncIterator[None]:
    """A client for each subscriber."""

    async def handler(message: Any) -> None:
        arrived()

    async with _client(place) as client:
        await client.subscribe("events", cb=handler)
        await client.flush()
        yield


async def _connect(place: str) -> Any:
    port, certificate = place.split(" ")
    return await nats.connect(f"tls://{HOST}:{port}", tls=ssl.create_default_context(cafile=certificate))


@asynccontextmanager
async def _client(place: str) -> AsyncIterator[Any]:
    client = await _connect(place)
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def _server() -> AsyncIterator[str]:
    with p256_files() as (certificate, key):
        port = free_port()
        arguments = ("--addr", HOST, "--port", str(port), "--tls", "--tlscert", certificate, "--tlskey", key)
        process = await asyncio.create_subprocess_exec(
            "nats-server", *arguments, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            await _listens(port)
            yield f"{port} {certificate}"
        finally:
            process.terminate()
            await process.wait()


async def _listens(port: int) -> None:
    async with asyncio.timeout(_STARTING):
        while True:
            try:
                _, writer = await asyncio.open_connection(HOST, port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            return
