"""What the processes of benchmarks do: `python -m benchmarks.roles ROLE …`. Each says when it is ready."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import macula
from benchmarks import floor
from benchmarks.nodes import BLOB, CLIENT, PROCEDURE, REALM, SETTINGS, SINK, until_relayed
from benchmarks.processes import answer_until_told, tell
from benchmarks.streaming import random_chunks

_PER_NETWORK = 400
"""A relay gives one network only so many sessions: the loopback has more than one."""
_JOINING = 20
"""Nodes that enter the mesh at a time."""


async def serve(name: str, place: str, relayed: bool) -> None:
    """A provider, which others reach directly or through relays only."""
    settings = CLIENT | {"path_policy": "relay-only"} if relayed else SETTINGS
    async with macula.connect(REALM, name, [place] if place else [], **settings) as node:
        await node.advertise(PROCEDURE, _echo)
        if relayed:
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


async def bare() -> None:
    """What echoes by aioquic alone."""
    async with floor.serving() as port:
        tell(port=port)
        await answer_until_told()


async def _echo(args: Any) -> Any:
    return args


if __name__ == "__main__":
    logging.getLogger("macula").setLevel(logging.ERROR)
    match sys.argv[1:]:
        case ["serve", name, place, *how]:
            asyncio.run(serve(name, place, relayed=how == ["relayed"]))
        case ["stream"]:
            asyncio.run(stream())
        case ["relay"]:
            asyncio.run(relay())
        case ["crowd", place, count]:
            asyncio.run(crowd(place, int(count)))
        case ["bare"]:
            asyncio.run(bare())
        case unknown:
            sys.exit(f"no such role: {unknown}")
