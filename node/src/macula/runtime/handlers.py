"""The application's side of a node: procedures that are called and subscriptions that receive."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import aclosing
from functools import partial
from typing import Any

from macula.core.commands import SendItem
from macula.core.deliveries import CallDelivery, Delivery, EventDelivery
from macula.core.events import HandlerDone
from macula.errors import CallError, MeshError, NotFound, RemoteError
from macula.identity import Did
from macula.runtime.driver import Driver
from macula.runtime.reports import CallContext, Handler, no_items
from macula.runtime.streaming import Incoming, not_streaming, send_results
from macula.runtime.subscription import Subscription
from macula.runtime.threads import Threads
from macula.runtime.workers import Workers
from macula.wire.values import decode_value, encode_value


class Procedure:
    """A handler and how it wants to be called."""

    def __init__(self, handler: Handler) -> None:
        parameters = inspect.signature(handler).parameters.values()
        positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        self.handler = handler
        self.wants_context = len(positional) > 1
        self.streams = inspect.isasyncgenfunction(handler) or inspect.isasyncgenfunction(
            getattr(handler, "__call__", None)  # noqa: B004
        )
        self.is_async = inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(
            getattr(handler, "__call__", None)  # noqa: B004
        )


class Handlers:
    """Runs each call in tasks of the node's task group; the engine bounds how many there are."""

    def __init__(self, driver: Driver, tasks: asyncio.TaskGroup, threads: int) -> None:
        self._driver = driver
        self._tasks = tasks
        self._threads = Threads(threads)
        self._callbacks: set[asyncio.Task[None]] = set()
        self._workers = Workers(tasks, self._handle, self._cancelled)
        self.procedures: dict[str, Procedure] = {}
        self.subscriptions: dict[int, Subscription] = {}
        self.incoming: dict[tuple[int, bool], Incoming] = {}
        """Where the items of streaming calls go, by their number and `answer`, as in StreamDelivery."""

    def run(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Do something for the application, such as feeding a callback, for as long as the node runs at most."""
        task = self._tasks.create_task(work, name=name)
        self._callbacks.add(task)
        task.add_done_callback(self._callbacks.discard)
        return task

    def subscribe(self, number: int, pattern: str, unsubscribe: Callable[[], Awaitable[None]]) -> Subscription:
        """Where the events of the subscription with this number go."""
        consumed = partial(self._driver.consumed, number)
        subscription = self.subscriptions[number] = self._subscription(pattern, consumed, unsubscribe)
        return subscription

    def deliver(self, delivery: int, content: Delivery) -> None:
        """A call is run; an event goes to its subscription, an item to its call."""
        if isinstance(content, CallDelivery):
            if content.sends:
                self.incoming[delivery, True] = Incoming(self._driver, delivery, answer=True)
            self._workers.put(delivery, content)
        elif isinstance(content, EventDelivery):
            subscription = self.subscriptions.get(content.subscription)
            if subscription is not None:
                subscription.put(content)
        elif incoming := self.incoming.get((delivery, content.answer)):
            incoming.put(content.payload)

    def cancel(self, delivery: int) -> None:
        """The caller no longer waits: an async handler is cancelled, a plain one ends by itself."""
        self._workers.cancel(delivery)

    def close(self) -> None:
        """Cancel everything that still runs."""
        self._workers.close()
        for task in self._callbacks:
            task.cancel()
        for subscription in list(self.subscriptions.values()):
            subscription.end()
        self._threads.close()

    async def _handle(self, delivery: int, call: CallDelivery) -> None:
        try:
            result = await self._run(delivery, call)
        except CallError as error:
            done = HandlerDone(delivery, error=error.code, reason=error.reason)
        except MeshError as error:
            done = HandlerDone(delivery, error=RemoteError.code, reason=str(error))
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is its caller's to see
            done = HandlerDone(delivery, error=RemoteError.code, reason=f"{type(error).__name__}: {error}")
        else:
            done = HandlerDone(delivery, result)
        self._report(done)

    def _cancelled(self, delivery: int) -> None:
        self._report(HandlerDone(delivery, error="cancelled", reason="the handler was cancelled"))

    def _report(self, done: HandlerDone) -> None:
        self.incoming.pop((done.delivery, True), None)
        self._driver.soon(done)

    def _subscription(
        self, pattern: str, consumed: Callable[[], None], unsubscribe: Callable[[], Awaitable[None]]
    ) -> Subscription:
        return Subscription(pattern, consumed, unsubscribe)

    async def _run(self, delivery: int, call: CallDelivery) -> bytes:
        procedure = self.procedures.get(call.procedure)
        if procedure is None:
            raise NotFound(call.procedure)
        arguments: tuple[Any, ...] = (decode_value(call.args),)
        if procedure.wants_context:
            arguments += (self._context(delivery, call),)
        if procedure.streams:
            if not call.streams:
                raise not_streaming(call.procedure)
            async with aclosing(procedure.handler(*arguments)) as results:
                await send_results(self._driver, delivery, results)
            return b""
        if procedure.is_async:
            value = await procedure.handler(*arguments)
        else:
            value = await self._threads.run(procedure.handler, *arguments)
        result = encode_value("result", value)
        if call.streams:
            await self._driver.ask(SendItem(delivery, True, result))
        return result

    def _context(self, delivery: int, call: CallDelivery) -> CallContext:
        return CallContext(
            caller=call.caller,
            did=str(Did(call.realm, call.caller)),
            realm=call.realm,
            remaining=max(0.0, call.deadline - time.monotonic()),
            incoming=self.incoming[delivery, True] if call.sends else no_items(),
        )
