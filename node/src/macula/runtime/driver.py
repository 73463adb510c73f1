"""Joins an engine and a transport to the event loop. Dumb on purpose: every decision is the engine's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from macula.core.address import Address
from macula.core.commands import CallProcedure, CancelCall, Command, Shutdown
from macula.core.deliveries import Delivery
from macula.core.effects import (
    CallTrace,
    CancelDelivery,
    Completed,
    Deliver,
    Effect,
    Pin,
    SendMessage,
    Trace,
    TransportEffect,
)
from macula.core.events import CommandGiven, Consumed, Event, Tick
from macula.engine import Engine
from macula.errors import NodeClosed
from macula.identity import NodeId
from macula.runtime.telemetry import Telemetry
from macula.runtime.transport import Transport
from macula.runtime.waiters import Waiters

LONGEST_RUSH = 0.02
"""Seconds for which one batch may follow on the other before the engine's deadline is looked at."""


class Application(Protocol):
    """What receives calls and events for this node's own code."""

    def deliver(self, delivery: int, content: Delivery) -> None:
        """Begin to handle; must not raise and must not call back into the driver."""
        ...

    def cancel(self, delivery: int) -> None:
        """Stop handling; harmless for one that is done."""
        ...


class Driver:
    """Feeds events to the engine, carries out its effects, keeps its one timer.

    What happens in one turn of the loop is handled together: what the transport tells, the calls that the application
    makes and the results of its handlers.
    """

    def __init__(
        self,
        engine: Engine,
        transport: Transport,
        telemetry: Telemetry,
        pin: Callable[[Address, NodeId], None],
    ) -> None:
        """`pin` gets every Pin effect."""
        self.engine = engine
        self._transport = transport
        self._waiters = Waiters()
        self._application: Application | None = None
        self._waiting: list[Event] = []
        """What comes with the next events of the transport: those wait for it no longer than a turn."""
        self._consumed: dict[int, int] = {}
        """How many events, by subscription: they come with the others."""
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")
        self._look_at = 0.0
        """When the engine's deadline is looked at even if there is always something to handle."""
        self._closed = False
        self._messages: list[SendMessage] = []
        """What the transport gets together, before its next other effect."""
        self._carriers: dict[type[Effect], Callable[[Any], None]] = {
            SendMessage: self._messages.append,
            Completed: self._waiters.resolve,
            Deliver: self._hand_over,
            CancelDelivery: self._cancel,
            Trace: telemetry.emit,
            CallTrace: telemetry.emit_call,
            Pin: lambda effect: pin(effect.address, effect.peer),
        }
        """Who carries out an effect; all others are the transport's."""

    def start(self, application: Application, addresses: tuple[Address, ...]) -> None:
        """Begin; the transport is open, and what it has told already comes next."""
        self._application = application
        self._carry_out(self.engine.start(addresses, time.monotonic(), time.time()))
        self._transport.wake()
        self.deliver(())

    def deliver(self, events: Sequence[Event]) -> None:
        """Let the engine handle what waits and then these events now, or as soon as it has started. Where nothing is
        left to handle, what the last ones led to has been sent, and the engine's next deadline is looked at; else now
        and then."""
        if self._consumed:
            self._waiting += [Consumed(subscription, count) for subscription, count in self._consumed.items()]
            self._consumed.clear()
        if self._waiting:
            events = (*self._waiting, *events)
            self._waiting.clear()
        if self._application is None:
            self._waiting += events
        elif events and not self._closed:
            now = time.monotonic()
            self._carry_out(self.engine.handle_all(events, now, time.time()))
            self._transport.wake()
            if now >= self._look_at:
                self._set_timer()
        else:
            self._set_timer()

    def consumed(self, subscription: int) -> None:
        """The application is done with an event of this subscription. Harmless once the node has stopped."""
        if not self._consumed and not self._closed:
            self._transport.wake()
        self._consumed[subscription] = self._consumed.get(subscription, 0) + 1

    def soon(self, event: Event) -> None:
        """Let the engine handle an event together with the next ones. Harmless once the node has stopped."""
        if self._closed:
            return
        if not self._waiting:
            self._transport.wake()
        self._waiting.append(event)

    def give(self, command: Command) -> tuple[int, asyncio.Future[Any]]:
        """Give a command; the future ends with its result. Raises NodeClosed."""
        if self._closed:
            raise NodeClosed("the node has stopped")
        id_, future = self._waiters.new()
        given = CommandGiven(id_, command)
        if isinstance(command, CallProcedure):
            # It waits for the network in any case, other commands often for nothing.
            self.soon(given)
        else:
            self.deliver((given,))
        return id_, future

    def tell(self, command: Command) -> None:
        """Give a command whose result nobody waits for. Harmless once the node has stopped."""
        self.soon(CommandGiven(next(self._waiters.ids), command))

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
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
        self._waiters.fail_all(NodeClosed("the node has stopped"))

    def _carry_out(self, effects: list[Effect]) -> None:
        carriers, execute = self._carriers, self._execute
        for effect in effects:
            carriers.get(type(effect), execute)(effect)
        if self._messages:
            self._send()

    def _execute(self, effect: TransportEffect) -> None:
        if self._messages:
            self._send()
        self._transport.execute(effect)

    def _send(self) -> None:
        messages = self._messages.copy()
        self._messages.clear()
        self._transport.send(messages)

    def _hand_over(self, effect: Deliver) -> None:
        if self._application is not None:
            self._application.deliver(effect.delivery, effect.content)

    def _cancel(self, effect: CancelDelivery) -> None:
        if self._application is not None:
            self._application.cancel(effect.delivery)

    def _set_timer(self) -> None:
        now = time.monotonic()
        self._look_at = now + LONGEST_RUSH
        at = self.engine.next_deadline()
        if self._closed or at is None or at >= self._timer_at:
            # A timer that fires too early finds nothing due and is armed anew: cheaper than moving it each time.
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = asyncio.get_running_loop().call_later(max(0.0, at - now), self._tick)

    def _tick(self) -> None:
        self._timer_at = float("inf")
        self._timer = None
        self.deliver((Tick(),))
