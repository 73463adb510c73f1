"""Joins an engine and a transport to the event loop. Dumb on purpose: every decision is the engine's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Protocol

from macula.core.address import Address
from macula.core.commands import CallProcedure, CancelCall, Command, Shutdown
from macula.core.deliveries import Delivery
from macula.core.effects import (
    CancelDelivery,
    Completed,
    Deliver,
    Effect,
    Pin,
    Trace,
)
from macula.core.events import CommandGiven, Consumed, Event, Tick
from macula.engine import Engine
from macula.errors import NodeClosed
from macula.identity import NodeId
from macula.runtime.transport import Transport
from macula.runtime.waiters import Waiters


class Application(Protocol):
    """What receives calls and events for this node's own code."""

    def deliver(self, delivery: int, content: Delivery) -> None:
        """Begin to handle; must not raise and must not call back into the driver."""
        ...

    def cancel(self, delivery: int) -> None:
        """Stop handling; harmless for one that is done."""
        ...


class Driver:
    """Feeds events to the engine, carries out its effects, keeps its one timer."""

    def __init__(
        self,
        engine: Engine,
        transport: Transport,
        trace: Callable[[Trace], None],
        pin: Callable[[Address, NodeId], None],
    ) -> None:
        """`trace` gets every Trace effect, `pin` every Pin."""
        self.engine = engine
        self._transport = transport
        self._waiters = Waiters()
        self._application: Application | None = None
        self._early: list[Event] | None = []
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")
        self._arming = False
        self._closed = False
        self._carriers: dict[type[Effect], Callable[[Any], None]] = {
            Completed: self._waiters.resolve,
            Deliver: self._hand_over,
            CancelDelivery: self._cancel,
            Trace: trace,
            Pin: lambda effect: pin(effect.address, effect.peer),
        }
        """Who carries out an effect; all others are the transport's."""

    def start(self, application: Application, addresses: tuple[Address, ...]) -> None:
        """Begin; the transport is open, and what it has told already comes next."""
        self._application = application
        self._carry_out(self.engine.start(addresses, time.monotonic(), time.time()))
        early, self._early = self._early, None
        for event in early or ():
            self.deliver(event)

    def deliver(self, event: Event) -> None:
        """Let the engine handle an event now, or as soon as it has started."""
        if self._early is not None:
            self._early.append(event)
        elif not self._closed:
            self._carry_out(self.engine.handle(event, time.monotonic(), time.time()))

    def consumed(self, delivery: int) -> None:
        """The application is done with an event."""
        self.deliver(Consumed(delivery))

    def give(self, command: Command) -> tuple[int, asyncio.Future[Any]]:
        """Give a command; the future ends with its result. Raises NodeClosed."""
        if self._closed:
            raise NodeClosed("the node has stopped")
        id_, future = self._waiters.new()
        self.deliver(CommandGiven(id_, command))
        return id_, future

    def tell(self, command: Command) -> None:
        """Give a command whose result nobody waits for. Harmless once the node has stopped."""
        self.deliver(CommandGiven(self._waiters.new_id(), command))

    async def ask(self, command: Command) -> Any:
        """Give a command and wait for its result. Raises what it ends with; a call is cancelled with its waiter."""
        id_, future = self.give(command)
        try:
            return await future
        except asyncio.CancelledError:
            if isinstance(command, CallProcedure):
                self.cancel_call(id_)
            raise

    def cancel_call(self, id_: int) -> None:
        """Give up a call; harmless for one that is over."""
        self.tell(CancelCall(id_))

    async def shutdown(self, drain: float) -> None:
        """Stop gracefully within `drain` seconds."""
        await self.ask(Shutdown(drain))

    def close(self) -> None:
        """Handle nothing any more; who still waits gets NodeClosed."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._waiters.fail_all(NodeClosed("the node has stopped"))

    def _carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            self._carriers.get(type(effect), self._transport.execute)(effect)
        # The engine's deadline is looked at once in each turn of the loop, not after each of its many events.
        if not self._arming and not self._closed:
            self._arming = True
            asyncio.get_running_loop().call_soon(self._set_timer)

    def _hand_over(self, effect: Deliver) -> None:
        if self._application is not None:
            self._application.deliver(effect.delivery, effect.content)

    def _cancel(self, effect: CancelDelivery) -> None:
        if self._application is not None:
            self._application.cancel(effect.delivery)

    def _set_timer(self) -> None:
        self._arming = False
        at = self.engine.next_deadline()
        if self._closed or at is None or at >= self._timer_at:
            # A timer that fires too early finds nothing due and is armed anew: cheaper than moving it each time.
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = asyncio.get_running_loop().call_later(max(0.0, at - time.monotonic()), self._tick)

    def _tick(self) -> None:
        self._timer_at = float("inf")
        self._timer = None
        self.deliver(Tick())
