"""A small network of Dht services: direct calls, virtual time, no engine."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from macula.core.address import Address
from macula.core.commands import DhtLookup
from macula.core.effects import Completed, Trace
from macula.core.events import CommandGiven, Tick
from macula.core.peer_record import PeerInfo, sign_peer
from macula.core.record import Kind, Record
from macula.core.requests import (
    Draining,
    FindPeer,
    FindRecords,
    PeerFound,
    PeerUp,
    PublishRecord,
    Received,
    RecordsFound,
    RecordStored,
    SelfChanged,
    SendFailed,
    SendTo,
    WithdrawRecord,
)
from macula.core.results import LookupResult
from macula.core.service import ServiceEvent
from macula.dht.service import Dht
from macula.dht.settings import DhtSettings
from macula.dht.verifier import Verifier
from macula.identity import Identity, NodeId
from macula.wire.messages import FindNode, FindValue, Hello, Message, Store

REALM = "io.test"
WALL = 1_800_000_000.0
LATENCY = 0.01
PEER_TTL = 300


@dataclass
class Node:
    identity: Identity
    dht: Dht
    info: PeerInfo
    index: int
    peers: dict[NodeId, None] = field(default_factory=dict)
    alive: bool = True
    wake: float | None = None
    answers: dict[int, Any] = field(default_factory=dict)
    completed: dict[int, Any] = field(default_factory=dict)
    traces: list[Trace] = field(default_factory=list)

    @property
    def id(self) -> NodeId:
        return self.identity.node_id


class Mesh:
    """Nodes that reach each other by id; a message takes LATENCY. To a dead node it is lost without a sign."""

    def __init__(self, seed: int = 1, settings: DhtSettings | None = None) -> None:
        self.rng = random.Random(seed)
        self.settings = settings or DhtSettings()
        self.now = 0.0
        self.nodes: list[Node] = []
        self.by_id: dict[NodeId, Node] = {}
        self.sent: Counter[str] = Counter()
        self.drop: Callable[[Node, Node, Message], bool] = lambda source, target, message: False
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._tokens = itertools.count(1)
        self._verifier = Verifier(100_000)

    @property
    def wall(self) -> float:
        return WALL + self.now

    def add(self, *, reachable: bool = True, realms: tuple[str, ...] = (REALM,)) -> Node:
        identity = Identity.from_random(self.rng)
        index = len(self.nodes)
        rng = random.Random(self.rng.random())
        dht = Dht(self.settings, identity, rng, itertools.count(index << 32), realms, self._verifier)
        node = Node(identity, dht, self._sign(identity, index, reachable, realms), index)
        self.nodes.append(node)
        self.by_id[node.id] = node
        self.tell(node, SelfChanged(node.info))
        return node

    def _sign(self, identity: Identity, index: int, reachable: bool, realms: tuple[str, ...]) -> PeerInfo:
        return sign_peer(
            identity,
            addresses=(Address(f"10.0.{index // 250}.{index % 250 + 1}", 9443),),
            reachable=reachable,
            name=f"n{index}",
            mode="edge",
            realms=realms,
            wall=self.wall,
            ttl=PEER_TTL,
        )

    def renew(self, node: Node) -> None:
        """What the engine does at half of the peer record's ttl."""
        if node.alive:
            node.info = self._sign(node.identity, node.index, node.info.reachable, node.info.realms)
            self.tell(node, SelfChanged(node.info))
            self.after(PEER_TTL / 2 * self.rng.uniform(0.9, 1.0), lambda: self.renew(node))

    def connect(self, one: Node, other: Node) -> None:
        if other.id not in one.peers:
            for a, b in ((one, other), (other, one)):
                a.peers[b.id] = None
                hello = Hello(2, 2, (), b.info.realms, b.info.record.encoded)
                self.tell(a, PeerUp(b.id, hello, b.info, inbound=a is other))

    def build(self, count: int) -> None:
        """`count` nodes that join one after the other through the first."""
        for _ in range(count):
            node = self.add()
            self.after(PEER_TTL / 2 * self.rng.random(), partial(self.renew, node))
            if node.index:
                self.connect(node, self.nodes[0])
            self.run(0.5)

    def after(self, delay: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (self.now + delay, next(self._count), action))

    def tell(self, node: Node, event: ServiceEvent) -> None:
        if not node.alive:
            return
        for action in node.dht.handle(event, self.now, self.wall):
            match action:
                case SendTo():
                    self._send(node, action)
                case RecordsFound() | PeerFound() | RecordStored():
                    node.answers[action.token] = action
                case Completed():
                    node.completed[action.id] = action.result
                case Trace():
                    node.traces.append(action)
                case _:
                    pass
        deadline = node.dht.next_deadline()
        if deadline is not None and (node.wake is None or deadline < node.wake):
            node.wake = deadline
            self.after(max(deadline - self.now, 0.0), lambda: self._wake(node, deadline))

    def _wake(self, node: Node, at: float) -> None:
        if node.wake == at:
            node.wake = None
            self.tell(node, Tick())

    def _send(self, source: Node, action: SendTo) -> None:
        self.sent[type(action.message).__name__] += 1
        target = self.by_id.get(action.peer)
        if target is None:
            failed = SendFailed(action.token or 0, action.peer, "disconnected", "no such node")
            self.after(LATENCY, lambda: self.tell(source, failed))
        elif target.alive and not self.drop(source, target, action.message):
            self.after(LATENCY, lambda: self._deliver(source, target, action.message))

    def _deliver(self, source: Node, target: Node, message: Message) -> None:
        if target.alive:
            self.connect(source, target)
            self.tell(target, Received(source.id, message))

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self._heap and self._heap[0][0] <= end:
            self.now, _, action = heapq.heappop(self._heap)
            action()
        self.now = end

    def ask(self, node: Node, make: Callable[[int], ServiceEvent], patience: float = 30.0) -> Any:
        """The answer to a request, and how long it took is what `now` has moved."""
        token = next(self._tokens)
        self.tell(node, make(token))
        self._run_until(lambda: token in node.answers, patience)
        return node.answers.pop(token)

    def _run_until(self, done: Callable[[], bool], patience: float) -> None:
        end = self.now + patience
        while not done():
            assert self._heap and self._heap[0][0] <= end, "no answer in time"
            self.now, _, action = heapq.heappop(self._heap)
            action()

    def publish(self, node: Node, name: str, value: Any = 1, kind: Kind = Kind.RPC) -> int:
        stored = self.ask(node, lambda token: PublishRecord(token, REALM, kind, name, value))
        return int(stored.stored)

    def withdraw(self, node: Node, name: str) -> int:
        return int(self.ask(node, lambda token: WithdrawRecord(token, REALM, Kind.RPC, name)).stored)

    def find(self, node: Node, name: str, max_age: float = 0.0) -> tuple[Record, ...]:
        found = self.ask(node, lambda token: FindRecords(token, REALM, Kind.RPC, name, max_age))
        assert isinstance(found, RecordsFound)
        return found.records

    def find_peer(self, node: Node, peer: NodeId) -> PeerInfo | None:
        found = self.ask(node, lambda token: FindPeer(token, peer))
        assert isinstance(found, PeerFound)
        return found.info

    def look_up(self, node: Node, name: str, kind: Kind = Kind.RPC, realm: str = REALM) -> LookupResult:
        command = next(self._tokens)
        self.tell(node, CommandGiven(command, DhtLookup(realm, kind, name)))
        self._run_until(lambda: command in node.completed, 30.0)
        result = node.completed.pop(command)
        assert isinstance(result, LookupResult)
        return result

    def drain(self, node: Node) -> None:
        self.tell(node, Draining())
        self._run_until(lambda: node.dht.drained, 10.0)

    def queries(self) -> int:
        """How many queries were sent so far."""
        return sum(self.sent[cls.__name__] for cls in (FindNode, FindValue, Store))
