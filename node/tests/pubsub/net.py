"""A handful of PubSub services on virtual time: a directory that answers FindRecords, links with delay, jitter, loss,
and connections that come and go."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from macula.core.commands import Command, PublishEvent, Subscribe, Unsubscribe
from macula.core.deliveries import EventDelivery
from macula.core.effects import Completed, Deliver, Trace
from macula.core.events import CommandGiven, Consumed, Tick
from macula.core.record import Kind, Record
from macula.core.requests import (
    FindRecords,
    Hold,
    PeerDown,
    PublishRecord,
    Received,
    RecordsFound,
    RecordStored,
    Release,
    SendFailed,
    SendTo,
    SendToAll,
    WithdrawRecord,
)
from macula.core.service import Action, ServiceEvent
from macula.identity import NodeId
from macula.pubsub import PubSub, PubSubSettings
from macula.wire.messages import Publish, PublishAck

REALM = "test"
WALL = 1_700_000_000.0


def node_id(number: int) -> NodeId:
    return NodeId(bytes([number]) * 32)


def topic_record(node: NodeId, prefix: str, value: Any, wall: float = WALL) -> Record:
    return Record(REALM, Kind.TOPIC, prefix, node, int(wall * 1000), int(wall), 300, value, b"-")


@dataclass
class Link:
    """One direction between two nodes. `loss` loses single messages (as a routed way does), `jitter` reorders."""

    delay: float = 0.01
    jitter: float = 0.0
    loss: float = 0.0
    up: bool = True


@dataclass
class Node:
    """A service with its application: what it was delivered, what its commands ended with."""

    id: NodeId
    service: PubSub
    delivered: list[EventDelivery] = field(default_factory=list)
    pending: list[int] = field(default_factory=list)
    completed: dict[int, Completed] = field(default_factory=dict)
    completed_at: dict[int, float] = field(default_factory=dict)
    traces: list[Trace] = field(default_factory=list)
    holds: dict[NodeId, int] = field(default_factory=lambda: defaultdict(int))
    sent: list[SendTo] = field(default_factory=list)
    consumes: bool = True
    clock_offset: float = 0.0

    def payloads(self, subscription: int) -> list[bytes]:
        return [event.payload for event in self.delivered if event.subscription == subscription]


class Net:
    """Runs the nodes; every step advances `now` to the next event or deadline."""

    def __init__(self, count: int, settings: PubSubSettings | None = None, seed: int = 0) -> None:
        self.rng = random.Random(seed)
        self.now = 100.0
        self.settings = settings or PubSubSettings()
        self.records: dict[str, dict[NodeId, Record]] = defaultdict(dict)
        self.lookup_delay = 0.03
        self.links: dict[tuple[int, int], Link] = defaultdict(Link)
        self.nodes = [self._make(number) for number in range(count)]
        self._events: list[tuple[float, int, int, ServiceEvent]] = []
        self._order = itertools.count()
        self._commands = itertools.count(1)
        self._numbers = {node.id: number for number, node in enumerate(self.nodes)}

    def _make(self, number: int) -> Node:
        own = node_id(number + 1)
        rng = random.Random(number)
        return Node(own, PubSub(self.settings, own, REALM, rng, itertools.count(1000 * (number + 1))))

    def restart(self, number: int, clock_offset: float = 0.0) -> None:
        """The process of a node is replaced by a new one; its peers see their connections go."""
        self.disconnect(number)
        self.nodes[number] = self._make(number)
        self.nodes[number].clock_offset = clock_offset

    @property
    def wall(self) -> float:
        return WALL + self.now

    def give(self, number: int, command: Command) -> int:
        """Give a command; returns its id. Raises what the service raises."""
        id_ = next(self._commands)
        self.handle(number, CommandGiven(id_, command))
        return id_

    def publish(self, number: int, topic: str, payload: bytes = b"", qos: int = 1, timeout: float = 5.0) -> int:
        return self.give(number, PublishEvent(topic, payload, qos, timeout))

    def subscribe(self, number: int, pattern: str, capacity: int = 100, ack_consumed: bool = False) -> int:
        """Subscribe and wait for the subscription's number."""
        id_ = self.give(number, Subscribe(pattern, capacity, ack_consumed))
        self.run(0.2)
        result = self.nodes[number].completed[id_].result
        assert isinstance(result, int)
        return result

    def unsubscribe(self, number: int, subscription: int) -> None:
        self.give(number, Unsubscribe(subscription))

    def consume(self, number: int, count: int | None = None) -> None:
        """The application takes `count` (None: all) of what waits for it."""
        node = self.nodes[number]
        taken, node.pending = node.pending[:count], node.pending[len(node.pending[:count]) :]
        for delivery in taken:
            self.handle(number, Consumed(delivery))

    def disconnect(self, number: int) -> None:
        """All connections of a node are lost, with what is on them."""
        peer = self.nodes[number].id
        self._events = [
            event
            for event in self._events
            if not (isinstance(event[3], Received) and (event[2] == number or event[3].peer == peer))
        ]
        heapq.heapify(self._events)
        for other, node in enumerate(self.nodes):
            if other != number:
                self.handle(number, PeerDown(node.id, "lost", ""))
                self.handle(other, PeerDown(peer, "lost", ""))

    def set_link(self, a: int, b: int, **changes: Any) -> None:
        """Change both directions of a link."""
        for pair in ((a, b), (b, a)):
            for name, value in changes.items():
                setattr(self.links[pair], name, value)

    def run(self, seconds: float) -> None:
        """Everything that happens in the next `seconds`."""
        end = self.now + seconds
        for _ in range(200_000):
            deadlines = [
                (at, i) for i, node in enumerate(self.nodes) if (at := node.service.next_deadline()) is not None
            ]
            tick = min(deadlines, default=(end + 1, -1))
            event_at = self._events[0][0] if self._events else end + 1
            if min(tick[0], event_at) > end:
                self.now = end
                return
            if event_at <= tick[0]:
                at, _, number, event = heapq.heappop(self._events)
                self.now = max(self.now, at)
                self.handle(number, event)
            else:
                self.now = max(self.now, tick[0])
                self.handle(tick[1], Tick())
        raise AssertionError("never at rest")

    def handle(self, number: int, event: ServiceEvent) -> None:
        node = self.nodes[number]
        for action in node.service.handle(event, self.now, self.wall + node.clock_offset):
            self._carry_out(number, node, action)

    def later(self, delay: float, number: int, event: ServiceEvent) -> None:
        heapq.heappush(self._events, (self.now + delay, next(self._order), number, event))

    def _carry_out(self, number: int, node: Node, action: Action) -> None:
        match action:
            case SendTo():
                self._send(number, node, action)
            case SendToAll(peers, lane, message, token):
                assert peers
                for peer in peers:
                    self._send(number, node, SendTo(peer, lane, message, token))
            case FindRecords(token, _, Kind.TOPIC, name, _):
                found = tuple(self.records[name][key] for key in sorted(self.records[name]))
                self.later(self.lookup_delay, number, RecordsFound(token, found))
            case PublishRecord(token, _, Kind.TOPIC, name, value):
                self.records[name][node.id] = topic_record(node.id, name, value, self.wall)
                self.later(self.lookup_delay, number, RecordStored(token, 3))
            case WithdrawRecord(token, _, Kind.TOPIC, name):
                self.records[name].pop(node.id, None)
                self.later(self.lookup_delay, number, RecordStored(token, 3))
            case Completed():
                assert action.id not in node.completed
                node.completed[action.id] = action
                node.completed_at[action.id] = self.now
            case Deliver(delivery, content):
                assert isinstance(content, EventDelivery)
                node.delivered.append(content)
                if node.consumes:
                    self.later(0.001, number, Consumed(delivery))
                else:
                    node.pending.append(delivery)
            case Trace():
                node.traces.append(action)
            case Hold(peer):
                node.holds[peer] += 1
                assert node.holds[peer] == 1
            case Release(peer):
                node.holds[peer] -= 1
                assert node.holds[peer] == 0
            case _:
                raise AssertionError(action)

    def _send(self, number: int, node: Node, action: SendTo) -> None:
        assert action.peer != node.id
        assert isinstance(action.message, Publish | PublishAck)
        node.sent.append(action)
        target = self._numbers[action.peer]
        link = self.links[number, target]
        if not link.up:
            if action.token is not None:
                self.later(link.delay, number, SendFailed(action.token, action.peer, "disconnected", "down"))
        elif self.rng.random() >= link.loss:
            delay = link.delay + self.rng.random() * link.jitter
            self.later(delay, target, Received(node.id, action.message))
