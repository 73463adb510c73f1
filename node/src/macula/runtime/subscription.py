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
        consumed: Callable[[], None],
        unsubscribe: Callable[[], Awaitable[None]],
    ) -> None:
        """`consumed` is called for each event when the application is done with it."""
        self.pattern = pattern
        self.missed = 0
        """How many events are known to be lost, because the network lost them or this subscriber was too slow."""
        self._consumed = consumed
        self._unsubscribe = unsubscribe
        self._queue: deque[EventDelivery] = deque()
        self._arrived = asyncio.Event()
        self._taken = False
        self._ended = False

    def put(self, event: EventDelivery) -> None:
        """The engine delivers."""
        if not self._queue:
            self._arrived.set()
        self._queue.append(event)

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
        self._queue.clear()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> MeshEvent:
        """The next event, in each publisher's order. Ends when the subscription or the node is closed."""
        while await self._has_more():
            if (event := self._take()) is not None:
                return event
        raise StopAsyncIteration

    async def feed(self, callback: Callback) -> None:
        """Call it, plain or async, with each event, until the subscription ends. What it raises is logged."""
        give = self._giving(callback)
        while await self._has_more():
            while self._queue:
                if (event := self._take()) is None:
                    continue
                try:
                    result = give(event)
                    if result is not None and inspect.isawaitable(result):
                        await result
                except Exception as error:  # noqa: BLE001 - one event that the application cannot take must not end the node
                    fields = {"pattern": self.pattern, "error": repr(error)}
                    log_event(_LOG, logging.ERROR, "subscribe.callback_failed", fields)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _giving(self, callback: Callback) -> Callback:
        """How an event is given to a callback."""
        return callback

    def _take(self) -> MeshEvent | None:
        """The application begins with the event that waits longest; None if that is none."""
        self._done()
        event = self._queue.popleft()
        self._taken = True
        self.missed += event.missed
        try:
            payload = decode_value(event.payload)
        except ProtocolError:
            # The publisher broke the protocol; the rest of its events may be sound.
            self.missed += 1
            return None
        return MeshEvent(
            event.topic, payload, event.publisher, event.epoch, event.sequence, event.missed, event.traceparent
        )

    def _done(self) -> None:
        """It is done with the one that it had, if any."""
        if self._taken:
            self._taken = False
            self._consumed()

    async def _has_more(self) -> bool:
        """Wait for an event. False if none comes any more."""
        self._done()
        while not self._queue and not self._ended:
            self._arrived.clear()
            await self._arrived.wait()
        return bool(self._queue)
