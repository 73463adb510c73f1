"""What the processes of benchmarks do: `python -m benchmarks.roles ROLE …`. Each says when it is ready."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import macula
from benchmarks.lean import lean_peers
from benchmarks.nodes import BLOB, CLIENT, DHT, PROCEDURE, REALM, SETTINGS, SINK, random_chunks, until_relayed
from benchmarks.processes import answer_until_told, tell

_PER_NETWORK = 400
"""A relay gives one network only so many sessions: the loopback has more than one."""
_JOINING = 20
"""Nodes that enter the mesh at a time."""


_REACHED: dict[str, dict[str, Any]] = {
    "directly": SETTINGS,
    "relayed": CLIENT | {"path_policy": "relay-only"},
    "hidden": CLIENT,
}


async def serve(name: str, place: str, how: str = "directly") -> None:
    """A provider, which others reach directly, through relays only or, where there are none, by envelopes."""
    async with macula.connect(REALM, name, [place], **_REACHED[how]) as node:
        await node.advertise(PROCEDURE, _echo)
        if how == "relayed":
            await until_relayed(node)
        tell(node_id=str(node.node_id), place=(await node.status())["listen"])
        await answer_until_told()


async def stream() -> None:
    """A provider of small calls and of transfers."""

    async def blob(count: Any) -> AsyncIterator[bytes]:
        async for chunk in random_chunks(count):
            yield chunk

    async def sink(args: Any, context: Any) -> int:
        return sum([len(chunk) async for chunk in context.incoming])

    async with macula.connect(REALM, "provider", mode="bootstrap", **SETTINGS) as node:
        for name, handler in ((PROCEDURE, _echo), (BLOB, blob), (SINK, sink)):
            await node.advertise(name, handler)
        tell(place=(await node.status())["listen"])
        await answer_until_told()


async def relay() -> None:
    """A relay."""
    async with macula.connect(REALM, "relay", mode="bootstrap", **SETTINGS) as node:

        async def sessions() -> int:
            count: int = (await node.status())["relaying"]["sessions"]
            return count

        tell(place=(await node.status())["listen"])
        await answer_until_told(sessions=sessions)


async def gateway() -> None:
    """What passes on envelopes and relays for nobody."""
    async with macula.connect(REALM, "gateway", mode="bootstrap", relay_clients=0, **SETTINGS) as node:
        tell(place=(await node.status())["listen"])
        await answer_until_told()


async def mesh(place: str, count: int) -> None:
    """So many nodes; without a place the first is where others enter."""
    async with AsyncExitStack() as stack:
        for number in range(count):
            mode = "edge" if place else "bootstrap"
            node = macula.connect(REALM, f"node{number}", [place] if place else [], mode=mode, **DHT)
            joined = await stack.enter_async_context(node)
            place = place or (await joined.status())["listen"]
        tell(place=place)
        await answer_until_told()


async def lean(count: int) -> None:
    """Peers that greet, and no more."""
    async with lean_peers(count) as peers:
        tell(places=[str(peer.transport.local_address) for peer in peers])
        await answer_until_told()


async def dial() -> None:
    """A node that pings whom it is told to."""
    async with macula.connect(REALM, "dialing", mode="bootstrap", **SETTINGS) as node:

        async def ping(places: list[str]) -> None:
            for place in places:
                await node.connector.send_message_and_wait(place, "ping", {})

        tell()
        await answer_until_told({"dial": ping})


async def crowd(place: str, count: int) -> None:
    """Idle clients of a relay."""
    nodes = [
        macula.connect(REALM, f"idle{number}", [place], **CLIENT | {"host": f"127.0.{number // _PER_NETWORK}.1"})
        for number in range(count)
    ]
    for start in range(0, count, _JOINING):
        joined = [await node.__aenter__() for node in nodes[start : start + _JOINING]]
        await asyncio.gather(*(until_relayed(node) for node in joined))
    tell(clients=count)
    await answer_until_told()
    # A thousand graceful stops would take longer than all that was measured.
    os._exit(0)


async def _echo(args: Any) -> Any:
    return args


if __name__ == "__main__":
    logging.getLogger("macula").setLevel(logging.ERROR)
    match sys.argv[1:]:
        case ["serve", name, place, *how]:
            asyncio.run(serve(name, place, *how))
        case ["stream"]:
            asyncio.run(stream())
        case ["gateway"]:
            asyncio.run(gateway())
        case ["mesh", place, count]:
            asyncio.run(mesh(place, int(count)))
        case ["lean", count]:
            asyncio.run(lean(int(count)))
        case ["dial"]:
            asyncio.run(dial())
        case ["relay"]:
            asyncio.run(relay())
        case ["crowd", place, count]:
            asyncio.run(crowd(place, int(count)))
        case unknown:
            sys.exit(f"no such role: {unknown}")
