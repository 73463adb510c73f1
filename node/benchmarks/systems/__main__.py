"""The other sides: `python -m benchmarks.systems ROLE SYSTEM …`. Each says when it is ready."""

from __future__ import annotations

import asyncio
import logging
import sys
from contextlib import AsyncExitStack
from functools import partial

from benchmarks.measuring import heap_frozen, repeat_call
from benchmarks.processes import answer_until_told, tell
from benchmarks.processors import Side, take
from benchmarks.systems import Call, Close, System, load

AT_ONCE = 16
"""Events that a publisher has under way."""


async def serve(system: System, work: str) -> None:
    """What answers calls and takes chunks."""
    async with system.serving(work) as place:
        with heap_frozen():
            tell(place=place)
            await answer_until_told()


async def hold(system: System, place: str) -> None:
    """Connections that nothing happens on, as many as it is told to open."""
    closing: list[Close] = []

    async def open_more(count: int) -> None:
        for _ in range(count):
            closing.append(await opened())

    async with system.opening(place) as opened:
        tell()
        await answer_until_told({"open": open_more})
        for close in closing:
            await close()


async def publish(system: System) -> None:
    """A publisher of as many events as it is told."""
    async with system.publishing() as (place, one):
        tell(place=place)
        await answer_until_told({"publish": partial(_publish, one)})


async def subscribe(system: System, place: str, count: int) -> None:
    """Subscribers, which wait for as many events as they are told."""
    arrivals = Arrivals()
    async with AsyncExitStack() as stack:
        for _ in range(count):
            await stack.enter_async_context(system.subscribing(place, arrivals.add))
        tell()
        await answer_until_told({"wait": arrivals.wait, "arrived": arrivals.total})


class Arrivals:
    """Counts events, from any thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._count = 0
        self._goal = 0
        self._reached = asyncio.Event()

    def add(self) -> None:
        """One more."""
        self._count += 1
        if self._count == self._goal:
            self._loop.call_soon_threadsafe(self._reached.set)

    async def total(self) -> int:
        """How many came."""
        return self._count

    async def wait(self, total: int) -> int:
        """Until so many have come in all."""
        self._goal = total
        if self._count < total:
            self._reached.clear()
            if self._count < total:
                await self._reached.wait()
        return self._count


async def _publish(one: Call, count: int) -> None:
    await repeat_call(one, count, AT_ONCE)


_SIDES = {"serve": Side.SERVES, "publish": Side.SERVES, "hold": Side.ASKS, "subscribe": Side.ASKS}


if __name__ == "__main__":
    for chatty in ("macula", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    role, name, *rest = sys.argv[1:]
    chosen = load(name)
    if role in _SIDES:
        take(_SIDES[role])
    match role, rest:
        case "serve", [work]:
            asyncio.run(serve(chosen, work))
        case "hold", [place]:
            asyncio.run(hold(chosen, place))
        case "publish", []:
            asyncio.run(publish(chosen))
        case "subscribe", [place, count]:
            asyncio.run(subscribe(chosen, place, int(count)))
        case unknown:
            sys.exit(f"no such role: {unknown}")
