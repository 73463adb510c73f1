"""Streaming calls as the application sees them: items as they come, and a task that sends."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable
from typing import Self

from macula.core.commands import EndItems, ItemTaken, SendItem
from macula.errors import Cancelled, MeshError, NodeClosed, RemoteError
from macula.runtime.driver import Driver
from macula.wire.values import Value, decode_value, encode_value

Items = AsyncIterable[Value]


class Incoming:
    """The items of one streaming call, as an async iterator.

    The engine lets the sender have only a window of items on their way, which bounds the queue. An item counts as taken
    when the next one is asked for.
    """

    def __init__(self, driver: Driver, number: int, *, answer: bool) -> None:
        """Of the delivery `number` (`answer`), or of the command."""
        self._driver = driver
        self._number = number
        self._answer = answer
        self._queue: deque[bytes] = deque()
        self._arrived = asyncio.Event()
        self._ended = False
        self._failure: BaseException | None = None
        self._current = False

    def put(self, payload: bytes | None) -> None:
        """The engine delivers; None is the end."""
        if payload is None:
            self.end()
        else:
            self._queue.append(payload)
            self._arrived.set()

    def end(self, failure: BaseException | None = None) -> None:
        """Nothing more comes: what is here can be taken, then iteration ends, or raises. The first end counts."""
        if not self._ended:
            self._ended, self._failure = True, failure
            self._arrived.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Value:
        """The next item. Raises ProtocolError if it is none."""
        self._done()
        while not self._queue:
            if self._ended:
                if self._failure is not None:
                    raise self._failure
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        self._current = True
        return decode_value(self._queue.popleft())

    def _done(self) -> None:
        if self._current:
            self._current = False
            self._driver.tell(ItemTaken(self._number, self._answer))


async def send_results(driver: Driver, delivery: int, results: Items) -> None:
    """Send what a handler yields, each when the caller has room for it. Raises what it raises."""
    async for result in results:
        await driver.ask(SendItem(delivery, True, encode_value("result", result)))


async def send_arguments(driver: Driver, command: int, arguments: Items, incoming: Incoming) -> None:
    """Send what the caller's application yields. What that raises ends the call and is raised by its iteration."""
    try:
        async for argument in arguments:
            await driver.ask(SendItem(command, False, encode_value("send", argument)))
        await driver.ask(EndItems(command))
    except (Cancelled, NodeClosed):
        pass  # the call is over: its own end says why
    except Exception as error:  # noqa: BLE001 - whatever the application's iterable raises is the application's to see
        incoming.end(error)
        driver.cancel_call(command)


def failure_of(future: asyncio.Future[object]) -> BaseException | None:
    """Why a call ended; None: after its last item."""
    if future.cancelled():
        return Cancelled("the call was cancelled")
    return future.exception()


def not_streaming(procedure: str) -> MeshError:
    """What a plain call of a procedure that streams gets."""
    return RemoteError(f"{procedure} streams its results: use call_stream")
