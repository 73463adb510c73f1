"""The built-in demo service: something to call in a mesh that is new."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from numbers import Real
from typing import Any

from macula.errors import ArgumentError, RemoteError
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
        self._offered = AsyncExitStack()

    @asynccontextmanager
    async def served(self) -> AsyncIterator[tuple[str, ...]]:
        """Advertise the procedures, or share those of an earlier user; the last user to leave withdraws them."""
        handlers = demo_handlers(self._mesh)
        async with self._changing:
            if self._users == 0:
                await self._offer(handlers)
            self._users += 1
        try:
            yield tuple(handlers)
        finally:
            async with self._changing:
                self._users -= 1
                if self._users == 0:
                    await self._offered.aclose()

    async def _offer(self, handlers: dict[str, Handler]) -> None:
        async with AsyncExitStack() as stack:
            for name, handler in handlers.items():
                idempotent = not name.endswith(".sleep")
                await self._mesh.advertise(name, handler, idempotent=idempotent)
                stack.push_async_callback(self._mesh.unadvertise, name)
            self._offered = stack.pop_all()
