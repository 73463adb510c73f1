"""N envelope routers on virtual time, joined by a graph of connections."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

from macula.core.effects import Trace
from macula.core.peer_record import PeerInfo, sign_peer
from macula.core.requests import (
    PeerDown,
    PeerUp,
    Received,
    RefusePeer,
    Route,
    SelfChanged,
    SendFailed,
    SendTo,
    Unsealed,
)
from macula.core.service import ServiceEvent
from macula.identity import Identity, NodeId
from macula.relay.service import EnvelopeRouter
from macula.relay.settings import RouteSettings
from macula.wire import encode
from macula.wire.messages import Call, Hello, Message, PubsubRoute, RouteError, RpcRoute

WALL = 1_800_000_000.0
REALM = "io.test"
LINK_DELAY = 0.01


@lru_cache(maxsize=64)
def identity(index: int) -> Identity:
    return Identity.from_random(random.Random(index))


@lru_cache(maxsize=256)
def peer_info(index: int, mode: str = "gateway", realm: str = REALM, ttl: int = 300) -> PeerInfo:
    return sign_peer(
        identity(index),
        addresses=(),
        reachable=True,
        name=f"node-{index}",
        mode=mode,
        realms=(realm,),
        wall=WALL,
        ttl=ttl,
    )


def peer_up(index: int, mode: str = "gateway", realm: str = REALM) -> PeerUp:
    info = peer_info(index, mode, realm)
    return PeerUp(info.node, Hello(2, 2, (), info.realms, info.record.encoded), info, inbound=True)


def call(args: bytes = b"args", realm: str = REALM) -> Call:
    return Call(realm, bytes(16), "io.test.add", args, 1000)


class Mesh:
    """Nodes 0 to `count` - 1; `edges` are those that do not forward, `links` the connections."""

    def __init__(
        self,
        count: int,
        links: Iterable[tuple[int, int]],
        *,
        edges: Iterable[int] = (),
        settings: RouteSettings | None = None,
    ) -> None:
        self.now = 0.0
        self.index: dict[NodeId, int] = {identity(i).node_id: i for i in range(count)}
        self.mode = dict.fromkeys(range(count), "gateway") | dict.fromkeys(edges, "edge")
        self.routers = [
            EnvelopeRouter(
                settings or RouteSettings(),
                identity(i),
                (REALM,),
                self.mode[i] != "edge",
                random.Random(i),
                itertools.count(1000 * i),
            )
            for i in range(count)
        ]
        self.links: set[tuple[int, int]] = set()
        self.unsealed: list[tuple[int, Unsealed]] = []
        self.failed: list[tuple[int, SendFailed]] = []
        self.refused: list[tuple[int, RefusePeer]] = []
        self.traces: list[tuple[int, Trace]] = []
        self.envelopes: Counter[bytes] = Counter()
        self.errors: Counter[bytes] = Counter()
        self.wire: list[tuple[int, int, Message]] = []
        self._queue: list[tuple[float, int, int, ServiceEvent]] = []
        self._order = itertools.count()
        for i in range(count):
            self.tell(i, SelfChanged(peer_info(i, self.mode[i])))
        for a, b in links:
            self.connect(a, b)

    def connect(self, a: int, b: int) -> None:
        self.links |= {(a, b), (b, a)}
        self.tell(a, peer_up(b, self.mode[b]))
        self.tell(b, peer_up(a, self.mode[a]))

    def disconnect(self, a: int, b: int) -> None:
        self.links -= {(a, b), (b, a)}
        self.tell(a, PeerDown(identity(b).node_id, "idle", ""))
        self.tell(b, PeerDown(identity(a).node_id, "idle", ""))

    def route(self, source: int, destination: int, message: Message | None = None, token: int | None = -1) -> None:
        self.tell(source, Route(peer_info(destination, self.mode[destination]), message or call(), token))

    def receive(self, at: int, sender: int, message: Message) -> None:
        self.tell(at, Received(identity(sender).node_id, message))

    def tell(self, at: int, event: ServiceEvent) -> None:
        """Give one event to one router now."""
        for action in self.routers[at].handle(event, self.now, WALL + self.now):
            match action:
                case SendTo():
                    self._send(at, action)
                case Unsealed():
                    self.unsealed.append((at, action))
                case SendFailed():
                    self.failed.append((at, action))
                case RefusePeer():
                    self.refused.append((at, action))
                case Trace():
                    self.traces.append((at, action))
                case _:
                    raise AssertionError(f"unexpected {action}")

    def run(self) -> None:
        """Until nothing is on its way."""
        while self._queue:
            self.now, _, at, event = heapq.heappop(self._queue)
            self.tell(at, event)

    def _send(self, at: int, send: SendTo) -> None:
        to = self.index[send.peer]
        encode(send.message)
        if (at, to) not in self.links:
            if send.token is not None:
                self.tell(at, SendFailed(send.token, send.peer, "disconnected", "no connection"))
            return
        match send.message:
            case RpcRoute() | PubsubRoute():
                self.envelopes[send.message.envelope_id] += 1
            case RouteError():
                self.errors[send.message.envelope_id] += 1
        self.wire.append((at, to, send.message))
        event = Received(identity(at).node_id, send.message)
        heapq.heappush(self._queue, (self.now + LINK_DELAY, next(self._order), to, event))


def line(count: int, **options: object) -> Mesh:
    """n0 - n1 - … - n(count - 1)."""
    return Mesh(count, [(i, i + 1) for i in range(count - 1)], **options)  # type: ignore[arg-type]
