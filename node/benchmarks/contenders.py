"""The other sides of all systems that are installed, each in a process of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from benchmarks.measuring import Effort
from benchmarks.processes import Process, started
from benchmarks.processors import Side, taken
from benchmarks.systems import FLOOR, NODE, System, installed, load

MODULE = "benchmarks.systems"

_Work = TypeVar("_Work")


@dataclass(frozen=True, slots=True)
class Ready(Generic[_Work]):
    """A system whose other side is there, and what it does on this side."""

    process: Process
    does: _Work


@asynccontextmanager
async def ready(
    work: str, effort: Effort, this_side: Callable[[System, str], AbstractAsyncContextManager[_Work]]
) -> AsyncIterator[dict[str, Ready[_Work]]]:
    """Those that serve, with `this_side` of each, given its place."""
    async with AsyncExitStack() as stack:
        names = installed(effort.others)
        others = {name: await stack.enter_async_context(started("serve", name, work, module=MODULE)) for name in names}
        # Not before they are started: they would have this side's processor alone to choose from.
        stack.enter_context(taken(Side.ASKS))
        contenders = {}
        for name, process in others.items():
            place = (await process.told())["place"]
            contenders[name] = Ready(process, await stack.enter_async_context(this_side(load(name), place)))
        yield contenders


__all__ = ["FLOOR", "MODULE", "NODE", "Ready", "ready"]
