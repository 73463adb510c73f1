"""A procedure that whoever asked on the control socket answers: `macula serve NAME --exec`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from itertools import count
from typing import Any

from macula.errors import ArgumentError, Busy, RemoteError
from macula.identity.names import check_name
from macula.runtime.reports import CallContext, MeshLike
from macula.wire.values import Value

MAX_WAITING = 1000
"""Calls that are with the one who asked; more are refused as busy."""

Line = dict[str, Any]


class Provision:
    """One procedure for as long as `lines` is iterated; each line is for the one who asked, who `answer`s them."""

    def __init__(self, mesh: MeshLike, procedure: str) -> None:
        """Raises ArgumentError for a procedure that cannot be one."""
        self._mesh = mesh
        self._procedure = check_name("procedure", procedure)
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[Line]] = {}
        # A call makes two lines at most, its own and its end.
        self._lines: asyncio.Queue[Line] = asyncio.Queue(2 * MAX_WAITING)

    async def lines(self) -> AsyncGenerator[Line, None]:
        """`result` once it is advertised, then `call` lines, and `cancel` for one whose answer nobody wants any more.

        Raises ArgumentError if this node provides the procedure already.
        """
        if self._procedure in (await self._mesh.status())["procedures"]:
            raise ArgumentError("procedure", f"{self._procedure} is provided by this node already")
        await self._mesh.advertise(self._procedure, self._handle)
        try:
            yield {"result": {"serving": [self._procedure]}}
            while True:
                yield await self._lines.get()
        finally:
            for future in self._waiting.values():
                future.cancel()
            await self._mesh.unadvertise(self._procedure)

    def answer(self, line: Line) -> None:
        """`id` of a call, and its `result`, or `error` as a text. One that is over is ignored. Raises ArgumentError."""
        number, error = line.get("id"), line.get("error")
        if type(number) is not int:
            raise ArgumentError("id", f"must be the number of a call, is {number!r:.100}")
        if not isinstance(error, str) and "error" in line:
            raise ArgumentError("error", f"must be a text, is {error!r:.100}")
        future = self._waiting.get(number)
        if future is not None and not future.done():
            future.set_result(line)

    async def _handle(self, args: Value, context: CallContext) -> Value:
        if len(self._waiting) >= MAX_WAITING or self._lines.qsize() >= MAX_WAITING:
            raise Busy(f"{MAX_WAITING} calls of {self._procedure} wait for an answer")
        number = next(self._numbers)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        about = {"caller": str(context.caller), "did": context.did, "remaining_s": round(context.remaining, 3)}
        self._lines.put_nowait({"call": {"id": number, "args": args, **about}})
        try:
            answer = await future
        except asyncio.CancelledError:
            self._lines.put_nowait({"cancel": {"id": number}})
            raise
        finally:
            del self._waiting[number]
        if "error" in answer:
            raise RemoteError(answer["error"])
        return answer.get("result")
