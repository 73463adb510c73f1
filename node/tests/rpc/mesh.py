"""A few Rpc services on virtual time, joined by lossless first-in-first-out links whose every step is explicit."""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from macula.core.commands import Advertise, CallProcedure, Command
from macula.core.deliveries import CallDelivery
from macula.core.effects import CallTrace, CancelDelivery, Completed, Deliver, PauseReading, Trace
from macula.core.events import CommandGiven, HandlerDone, Tick
from macula.core.record import Kind, Record
from macula.core.requests import (
    FindRecords,
    Hold,
    PeerDown,
    PublishRecord,
    Received,
    RecordsFound,
    RecordStored,
    RefusePeer,
    Release,
    SendFailed,
    SendTo,
    WithdrawRecord,
)
from macula.core.service import Action, ServiceEvent
from macula.errors import MeshError
from macula.identity import NodeId
from macula.rpc.service import Rpc
from macula.rpc.settings import RpcSettings
from macula.wire.messages import Call

from .playbook import REALM, WALL

Link = tuple[NodeId, NodeId]


@dataclass
class Running:
    """A handler that was started and has not ended."""

    content: CallDelivery
    cancelled: bool = False


@dataclass
class Outcome:
    """A command: its deadline, and how and when it completed."""

    deadline: float | None
    completed: Completed | None = None
    at: float = 0.0


@dataclass
class Mesh:
    """Checks on the way that commands complete once and in time, and that holds and pauses are balanced."""

    ids: tuple[NodeId, ...]
    settings: RpcSettings
    now: float = 0.0
    nodes: dict[NodeId, Rpc] = field(default_factory=dict)
    links: dict[Link, deque[SendTo]] = field(default_factory=dict)
    directory: dict[tuple[str, NodeId], Record] = field(default_factory=dict)
    lookups: deque[tuple[NodeId, FindRecords]] = field(default_factory=deque)
    running: dict[tuple[NodeId, int], Running] = field(default_factory=dict)
    commands: dict[tuple[NodeId, int], Outcome] = field(default_factory=dict)
    starts: Counter[tuple[NodeId, bytes]] = field(default_factory=Counter)
    holds: Counter[Link] = field(default_factory=Counter)
    paused: dict[Link, bool] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        for seed, peer in enumerate(self.ids):
            self.nodes[peer] = Rpc(self.settings, peer, REALM, random.Random(seed), count(1))

    def give(self, peer: NodeId, command: Command) -> int:
        """Give a node a command; returns its id. One that is refused counts as completed."""
        number = next(self.numbers)
        deadline = self.now + command.timeout if isinstance(command, CallProcedure) else None
        self.commands[peer, number] = Outcome(deadline)
        try:
            self.feed(peer, CommandGiven(number, command))
        except MeshError as error:
            self._carry_out(peer, Completed(number, error=error))
        return number

    def feed(self, peer: NodeId, event: ServiceEvent) -> None:
        """Tell a node and carry out what it wants done."""
        for action in self.nodes[peer].handle(event, self.now, WALL + self.now):
            self._carry_out(peer, action)

    def deliver(self, link: Link) -> None:
        """The oldest message of a link arrives."""
        source, target = link
        self.feed(target, Received(source, self._take(link).message))

    def duplicate(self, link: Link) -> None:
        """The oldest message of a link arrives and will again."""
        source, target = link
        self.feed(target, Received(source, self.links[link][0].message))

    def drop(self, link: Link) -> SendTo:
        """The oldest message of a link is lost without a word."""
        return self._take(link)

    def refuse(self, link: Link, code: str) -> None:
        """The oldest message of a link was never sent."""
        source, target = link
        sent = self._take(link)
        if sent.token is not None:
            self.feed(source, SendFailed(sent.token, target, code, "refused"))

    def disconnect(self, a: NodeId, b: NodeId) -> None:
        """Both sides lose the connection and all that is under way."""
        for source, target in ((a, b), (b, a)):
            lost = self.links.pop((source, target), deque())
            self.paused.pop((source, target), None)
            self.feed(source, PeerDown(target, "lost", "the link was cut"))
            for sent in lost:
                if sent.token is not None:
                    self.feed(source, SendFailed(sent.token, target, "disconnected", "the link was cut"))

    def answer_lookup(self) -> None:
        """The DHT answers the oldest lookup with what is stored now."""
        peer, search = self.lookups.popleft()
        found = sorted((holder, record) for (name, holder), record in self.directory.items() if name == search.name)
        self.feed(peer, RecordsFound(search.token, tuple(record for _, record in found)))

    def finish(self, peer: NodeId, delivery: int, error: str = "") -> None:
        """A handler ends."""
        result = b"" if error else self.running[peer, delivery].content.args[::-1]
        self.feed(peer, HandlerDone(delivery, result, error, "why"))
        del self.running[peer, delivery]

    def advance(self, until: float) -> None:
        """Let time pass; every node is told of its deadlines when they come."""
        while True:
            due = [(at, peer) for peer, rpc in self.nodes.items() if (at := rpc.next_deadline()) is not None]
            at, peer = min(due, default=(until, self.ids[0]))
            if at >= until:
                self.now = until
                return
            self.now = max(self.now, at)
            self.feed(peer, Tick())

    def settle(self) -> None:
        """Deliver everything and answer every lookup, until nothing is under way."""
        while self.busy_links() or self.lookups:
            for link in self.busy_links():
                self.deliver(link)
            if self.lookups:
                self.answer_lookup()

    def busy_links(self) -> list[Link]:
        """Links with messages under way."""
        return [link for link, messages in self.links.items() if messages]

    def advertise(self, peer: NodeId, procedure: str, idempotent: bool = False) -> None:
        """Offer a procedure."""
        self.give(peer, Advertise(procedure, idempotent))

    def _take(self, link: Link) -> SendTo:
        return self.links[link].popleft()

    def _carry_out(self, peer: NodeId, action: Action) -> None:
        match action:
            case SendTo():
                assert action.peer != peer
                self.links.setdefault((peer, action.peer), deque()).append(action)
            case Hold(other):
                self.holds[peer, other] += 1
            case Release(other):
                self.holds[peer, other] -= 1
                assert self.holds[peer, other] >= 0
            case RefusePeer(other):
                self.disconnect(peer, other)
            case PauseReading(other, _, paused):
                assert self.paused.get((peer, other), False) != paused
                self.paused[peer, other] = paused
            case Deliver(delivery, CallDelivery() as content):
                assert self.now < content.deadline
                self.running[peer, delivery] = Running(content)
                self.starts[peer, content.args] += 1
            case CancelDelivery(delivery):
                running = self.running[peer, delivery]
                assert not running.cancelled
                running.cancelled = True
            case Completed(number):
                outcome = self.commands[peer, number]
                assert outcome.completed is None
                assert outcome.deadline is None or self.now <= outcome.deadline
                outcome.completed, outcome.at = action, self.now
            case FindRecords():
                self.lookups.append((peer, action))
            case PublishRecord(token, realm, kind, name, value):
                assert (realm, kind) == (REALM, Kind.RPC)
                self.directory[name, peer] = Record(realm, kind, name, peer, 1, int(WALL), 10**6, value, b"")
                self.feed(peer, RecordStored(token, 1))
            case WithdrawRecord(token, _, _, name):
                self.directory.pop((name, peer), None)
                self.feed(peer, RecordStored(token, 1))
            case Trace() | CallTrace():
                pass
            case _:
                raise AssertionError(f"unexpected {action}")


def is_call(sent: SendTo) -> bool:
    """Whether a message asks for a handler."""
    return isinstance(sent.message, Call)
