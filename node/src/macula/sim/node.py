"""One engine in the simulated world, and what its application did."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from itertools import count

from macula.core.address import Address
from macula.core.commands import Command, ItemTaken, SendItem
from macula.core.deliveries import CallDelivery, Delivery, EventDelivery, StreamDelivery
from macula.core.effects import (
    CallTrace,
    CancelDelivery,
    Completed,
    Deliver,
    Effect,
    Pin,
    Trace,
)
from macula.core.events import CommandGiven, Consumed, Event, HandlerDone, SocketOpened, Tick
from macula.dht.verifier import Verifier
from macula.engine import Engine, EngineSettings
from macula.identity import Identity, NodeId
from macula.sim.clock import Clock
from macula.sim.network import Network

Handler = Callable[[CallDelivery], bytes]


class SimNode:
    """Drives an engine. Handlers answer at once, with one item if the call streams; events are kept in `events` and
    consumed at once, so are items."""

    def __init__(
        self,
        clock: Clock,
        network: Network,
        identity: Identity,
        settings: EngineSettings,
        address: Address,
        rng: random.Random,
        verifier: Verifier,
        ahead: float = 0.0,
    ) -> None:
        """`ahead`: see the attribute."""
        self.node_id: NodeId = identity.node_id
        self.address = address
        self.engine = Engine(identity, settings, rng, verifier)
        self.completed: dict[int, Completed] = {}
        self.events: list[EventDelivery] = []
        self.calls: list[CallDelivery] = []
        self.items: list[tuple[int, bytes]] = []
        """Of streaming calls, with the number of the command or delivery that they belong to."""
        self.handlers: dict[str, Handler] = {}
        self.traces: list[Trace] = []
        self.alive = True
        self.ahead = ahead
        """Seconds by which its host's wall clock is ahead of the others'."""
        self._clock = clock
        self._network = network
        self._commands = count(1)
        self._tick_at: float | None = None
        network.attach(self.node_id, address, self.deliver)
        self._carry_out(self.engine.start((address,), clock.now, clock.wall + ahead))
        self.deliver(SocketOpened(0, address))

    def command(self, command: Command) -> int:
        """Give a command; its Completed will stand in `completed` under the returned id."""
        id_ = next(self._commands)
        self.deliver(CommandGiven(id_, command))
        return id_

    def kill(self) -> None:
        """Stop without a word."""
        self.alive = False
        self._network.detach(self.node_id)

    def deliver(self, event: Event) -> None:
        """Let the engine handle an event now."""
        if self.alive:
            self._carry_out(self.engine.handle(event, self._clock.now, self._clock.wall + self.ahead))

    def _carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Completed():
                    self.completed[effect.id] = effect
                case Deliver(delivery, content):
                    self._clock.at(self._clock.now, partial(self._consume, delivery, content))
                case Trace():
                    self.traces.append(effect)
                case CallTrace():
                    self.traces.append(effect.trace)
                case CancelDelivery() | Pin():
                    pass
                case _:
                    self._network.execute(self.node_id, effect)
        self._arm()

    def _consume(self, delivery: int, content: Delivery) -> None:
        if isinstance(content, StreamDelivery):
            if content.payload is not None:
                self.items.append((delivery, content.payload))
            self.command(ItemTaken(delivery, content.answer))
            return
        if isinstance(content, EventDelivery):
            self.events.append(content)
            self.deliver(Consumed(content.subscription))
            return
        self.calls.append(content)
        result = self.handlers[content.procedure](content)
        if content.streams:
            self.command(SendItem(delivery, True, result))
        self.deliver(HandlerDone(delivery, result))

    def _arm(self) -> None:
        at = self.engine.next_deadline()
        if at is not None and (self._tick_at is None or at < self._tick_at):
            self._tick_at = at
            self._clock.at(at, self._tick)

    def _tick(self) -> None:
        if self._tick_at is None or self._clock.now < self._tick_at:
            return
        self._tick_at = None
        self.deliver(Tick())
