"""The built-in demo service: something to call in a mesh that is new."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from numbers import Real
from typing import Any

from macula.errors import ArgumentError, MeshError, RemoteError
from macula.runtime.reports import CallContext, Handler, MeshLike
from macula.wire.values import Value

MAX_SLEEP = 3600.0


def demo_handlers(mesh: MeshLike) -> dict[str, Handler]:
    """The demo procedures of a node by their full names, `<realm>.demo.<what>`."""

    async def echo(args: Value, context: CallContext) -> Value:
        return args

    async def add(args: Value, context: CallContext) -> Value:
        return _number(args, "a") + _number(args, "b")

    async def whoami(args: Value, context: CallContext) -> Value:
        return {"node_id": str(mesh.node_id), "name": mesh.name, "caller": str(context.caller)}

    async def sleep(args: Value, context: CallContext) -> Value:
        seconds = _number(args, "seconds")
        if not 0 <= seconds <= MAX_SLEEP:
            raise ArgumentError("seconds", f"must be 0 to {MAX_SLEEP:g}, is {seconds}")
        await asyncio.sleep(seconds)
        return {"slept": seconds}

    async def fail(args: Value, context: CallContext) -> Value:
        raise RemoteError(str(args.get("reason", "asked to")) if isinstance(args, dict) else "asked to")

    handlers: dict[str, Handler] = {"echo": echo, "add": add, "whoami": whoami, "sleep": sleep, "fail": fail}
    return {f"{mesh.realm}.demo.{name}": handler for name, handler in handlers.items()}


def _number(args: Value, name: str) -> Any:
    value = args.get(name) if isinstance(args, dict) else None
    if not isinstance(value, Real) or isinstance(value, bool):
        raise ArgumentError(name, f"must be a number, is {value!r:.100}")
    return value


class DemoService:
    """The demo service of one node, served while anybody wants it: the node itself or `macula serve`."""

    def __init__(self, mesh: MeshLike) -> None:
        self._mesh = mesh
        self._users = 0
        self._changing = asyncio.Lock()

    async def start(self) -> tuple[str, ...]:
        """Advertise the procedures for as long as the node runs, or until as many `stop` as `start` were called."""
        handlers = demo_handlers(self._mesh)
        async with self._changing:
            if self._users == 0:
                await self._offer(handlers)
            self._users += 1
        return tuple(handlers)

    async def stop(self) -> None:
        """Undo one start; the last user to leave withdraws the procedures."""
        async with self._changing:
            self._users -= 1
            if self._users == 0:
                await self._withdraw(demo_handlers(self._mesh))

    @asynccontextmanager
    async def served(self) -> AsyncIterator[tuple[str, ...]]:
        """Start, and stop at the end of the context."""
        names = await self.start()
        try:
            yield names
        finally:
            await self.stop()

    async def _offer(self, handlers: dict[str, Handler]) -> None:
        offered: list[str] = []

        async def offer(name: str, handler: Handler) -> None:
            await self._mesh.advertise(name, handler, idempotent=not name.endswith(".sleep"))
            offered.append(name)

        try:
            async with asyncio.TaskGroup() as group:
                for name, handler in handlers.items():
                    group.create_task(offer(name, handler))
        except* MeshError as errors:
            await self._withdraw(offered)
            raise errors.exceptions[0] from None

    async def _withdraw(self, names: Iterable[str]) -> None:
        async with asyncio.TaskGroup() as group:
            for name in names:
                group.create_task(self._mesh.unadvertise(name))
