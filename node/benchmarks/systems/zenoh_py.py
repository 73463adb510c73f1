"""eclipse-zenoh, peer to peer over TLS; its shared memory, which on one host it takes by itself, is off."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import zenoh

from benchmarks.certificates import HOST, p256_files
from benchmarks.nodes import CHUNK, PAYLOAD, random_chunks
from benchmarks.processes import free_port
from benchmarks.systems import Call, Close, Open, Send


@asynccontextmanager
async def serving(work: str) -> AsyncIterator[str]:
    """Answers queries, counts chunks."""
    taken = 0

    def echo(query: Any) -> None:
        query.reply("bench/echo", query.payload)

    def sink(sample: Any) -> None:
        nonlocal taken
        taken += len(sample.payload)

    def total(query: Any) -> None:
        query.reply("bench/total", str(taken))

    async with _listening() as (place, session):
        session.declare_queryable("bench/echo", echo)
        session.declare_subscriber("bench/sink", sink)
        session.declare_queryable("bench/total", total)
        yield place


@asynccontextmanager
async def calling(place: str) -> AsyncIterator[Call]:
    """Queries."""
    async with _dialed(place) as session:
        yield partial(_ask, session, "bench/echo", PAYLOAD)


@asynccontextmanager
async def sending(place: str) -> AsyncIterator[Send]:
    """Samples that wait for room, then queries until all have been counted."""
    async with _dialed(place) as session:
        publisher = session.declare_publisher("bench/sink", congestion_control=zenoh.CongestionControl.BLOCK)

        async def counted() -> int:
            return int(await _ask(session, "bench/total", ""))

        async def send(chunks: int) -> None:
            goal = await counted() + chunks * CHUNK
            async for chunk in random_chunks(chunks):
                publisher.put(chunk)
            while await counted() < goal:
                pass

        yield send


@asynccontextmanager
async def opening(place: str) -> AsyncIterator[Open]:
    """Sessions."""

    async def open_one() -> Close:
        session = await asyncio.to_thread(_open, "connect", place)
        await _ask(session, "bench/echo", PAYLOAD)
        return partial(asyncio.to_thread, session.close)

    yield open_one


@asynccontextmanager
async def publishing() -> AsyncIterator[tuple[str, Call]]:
    """Samples."""
    async with _listening() as (place, session):
        publisher = session.declare_publisher("bench/events", congestion_control=zenoh.CongestionControl.BLOCK)

        async def publish() -> None:
            publisher.put(PAYLOAD)
            await asyncio.sleep(0)

        yield place, publish


@asynccontextmanager
async def subscribing(place: str, arrived: Callable[[], None]) -> AsyncIterator[None]:
    """A session for each subscriber."""
    async with _dialed(place) as session:
        session.declare_subscriber("bench/events", lambda sample: arrived())
        yield


async def _ask(session: Any, key: str, payload: str) -> bytes:
    """Its first answer. zenoh answers in threads of its own."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[bytes] = loop.create_future()

    def answered(reply: Any) -> None:
        loop.call_soon_threadsafe(future.set_result, bytes(reply.ok.payload))

    session.get(key, answered, payload=payload, timeout=30)
    return await future


@asynccontextmanager
async def _listening() -> AsyncIterator[tuple[str, Any]]:
    with p256_files() as (certificate, key):
        place = f"{free_port()} {certificate} {key}"
        session = await asyncio.to_thread(_open, "listen", place)
        try:
            yield place, session
        finally:
            await asyncio.to_thread(session.close)


@asynccontextmanager
async def _dialed(place: str) -> AsyncIterator[Any]:
    session = await asyncio.to_thread(_open, "connect", place)
    try:
        yield session
    finally:
        await asyncio.to_thread(session.close)


def _open(how: str, place: str) -> Any:
    port, certificate, key = place.split(" ")
    config = zenoh.Config()
    tls = {"root_ca_certificate": certificate, "verify_name_on_connect": False}
    if how == "listen":
        tls |= {"listen_certificate": certificate, "listen_private_key": key}
    for name, value in (
        ("mode", "peer"),
        ("listen/endpoints", []),
        ("connect/endpoints", []),
        (f"{how}/endpoints", [f"tls/{HOST}:{port}"]),
        ("scouting/multicast/enabled", False),
        ("scouting/gossip/enabled", False),
        ("transport/shared_memory/enabled", False),
        ("transport/link/tls", tls),
    ):
        config.insert_json5(name, json.dumps(value))
    zenoh.init_log_from_env_or("off")
    assert Path(certificate).exists(), "the other side has ended"
    return zenoh.open(config)
