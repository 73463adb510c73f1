"""A stream of events for the application."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from macula.core.deliveries import EventDelivery
from macula.errors import ProtocolError
from macula.runtime.logs import ROOT, log_event
from macula.runtime.reports import MeshEvent
from macula.wire.values import decode_value

Callback = Callable[[MeshEvent], Awaitable[None] | None]

_LOG = logging.getLogger(f"{ROOT}.mesh")


class Subscription:
    """An async iterator of MeshEvents, and a context manager that unsubscribes at its end.

    The engine gives at most the subscription's capacity before it hears that some were consumed, which bounds the
    queue. An event counts as consumed when the next one is asked for: when the loop's body is done with it.
    """

    def __init__(
        self,
        pattern: str,
        consumed: Callable[[int], None],
        unsubscribe: Callable[[], Awaitable[None]],
    ) -> None:
        self.pattern = pattern
        self.missed = 0
        """How many events are known to be lost, because the network lost them or this subscriber was too slow."""
        self._consumed = consumed
        self._unsubscribe = unsubscribe
        self._queue: deque[tuple[int, EventDelivery]] = deque()
        self._arrived = asyncio.Event()
        self._current: int | None = None
        self._ended = False

    def put(self, delivery: int, event: EventDelivery) -> None:
        """The engine delivers."""
        self._queue.append((delivery, event))
        self._arrived.set()

    def end(self) -> None:
        """No more events: iteration ends once the queue is empty."""
        self._ended = True
        self._arrived.set()

    async def close(self) -> None:
        """Unsubscribe. Harmless when repeated."""
        if not self._ended:
            self.end()
            await self._unsubscribe()
        self._done()
        while self._queue:
            self._consumed(self._queue.popleft()[0])

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> MeshEvent:
        """The next event, in each publisher's order. Ends when the subscription or the node is closed."""
        while True:
            self._done()
            while not self._queue:
                if self._ended:
                    raise StopAsyncIteration
                self._arrived.clear()
                await self._arrived.wait()
            self._current, event = self._queue.popleft()
            self.missed += event.missed
            try:
                payload = decode_value(event.payload)
            except ProtocolError:
                # The publisher broke the protocol; the rest of its events may be sound.
                self.missed += 1
                continue
            return self._taken(
                MeshEvent(
                    event.topic,
                    payload,
                    event.publisher,
                    event.epoch,
                    event.sequence,
                    event.missed,
                    event.traceparent,
                )
            )

    async def feed(self, callback: Callback) -> None:
        """Call it, plain or async, with each event, until the subscription ends. What it raises is logged."""
        async for event in self:
            try:
                await self._give(callback, event)
            except Exception as error:  # noqa: BLE001 - one event that the application cannot take must not end the node
                fields = {"pattern": self.pattern, "error": repr(error)}
                log_event(_LOG, logging.ERROR, "subscribe.callback_failed", fields)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _taken(self, event: MeshEvent) -> MeshEvent:
        """The application begins with an event."""
        return event

    async def _give(self, callback: Callback, event: MeshEvent) -> None:
        result = callback(event)
        if inspect.isawaitable(result):
            await result

    def _done(self) -> None:
        """It is done with the one that it had, if any."""
        current, self._current = self._current, None
        if current is not None:
            self._consumed(current)
