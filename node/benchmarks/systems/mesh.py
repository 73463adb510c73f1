"""A node as applications have it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import macula
from benchmarks.lean import LeanPeer, lean_peers
from benchmarks.nodes import CHUNK, PAYLOAD, PROCEDURE, REALM, SETTINGS, SINK, random_chunks
from benchmarks.systems import Call, Close, Open, Send

TOPIC = "org.bench.events"


@asynccontextmanager
async def serving(work: str) -> AsyncIterator[str]:
    """Provides both procedures."""

    async def sink(args: Any, context: Any) -> int:
        return sum([len(chunk) async for chunk in context.incoming])

    async with macula.connect(REALM, "provider", mode="bootstrap", **SETTINGS) as node:
        await node.advertise(PROCEDURE, _echo)
        await node.advertise(SINK, sink)
        yield (await node.status())["listen"]


@asynccontextmanager
async def calling(place: str) -> AsyncIterator[Call]:
    """Calls."""
    async with macula.connect(REALM, "caller", [place], **SETTINGS) as node:

        async def call() -> object:
            return await node.call(PROCEDURE, PAYLOAD, timeout=30)

        yield call


@asynccontextmanager
async def sending(place: str) -> AsyncIterator[Send]:
    """Streaming calls with chunks as arguments."""
    async with macula.connect(REALM, "sender", [place], **SETTINGS) as node:

        async def send(chunks: int) -> None:
            results = node.call_stream(SINK, send=random_chunks(chunks), timeout=30)
            if [item async for item in results] != [chunks * CHUNK]:
                raise RuntimeError("not all that was sent has come")

        yield send


@asynccontextmanager
async def opening(place: str) -> AsyncIterator[Open]:
    """A connection for each lean peer, since two nodes have one; those that are closed are used again."""
    async with AsyncExitStack() as stack:
        free: list[LeanPeer] = []

        async def open_one() -> Close:
            if not free:
                free.extend(await stack.enter_async_context(lean_peers(1)))
            peer = free.pop()
            provider = await peer.open(place)

            async def close() -> None:
                peer.close(provider)
                free.append(peer)

            return close

        yield open_one


@asynccontextmanager
async def publishing() -> AsyncIterator[tuple[str, Call]]:
    """Events of QoS 0."""
    async with macula.connect(REALM, "publisher", mode="bootstrap", **SETTINGS) as node:

        async def publish() -> object:
            return await node.publish(TOPIC, PAYLOAD)

        yield (await node.status())["listen"], publish


@asynccontextmanager
async def subscribing(place: str, arrived: Callable[[], None]) -> AsyncIterator[None]:
    """A node for each subscriber."""
    async with macula.connect(REALM, "subscriber", [place], **SETTINGS) as node:
        await node.subscribe(TOPIC, lambda event: arrived())
        yield


async def _echo(args: Any) -> Any:
    return args
