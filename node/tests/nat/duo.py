"""Two traversal services behind simulated NATs: a relay carries their messages, and the transport is a stand-in."""

from __future__ import annotations

import random

from macula.core.address import Address
from macula.core.effects import SendDatagram, SetPath, Trace
from macula.core.events import DatagramReceived, PathMoved, PeerSuspect, Tick
from macula.core.peer_record import PeerInfo, sign_peer
from macula.core.requests import PeerUp, Received, Redial, SendTo
from macula.core.route import Relayed, Route
from macula.core.service import Action, ServiceEvent
from macula.identity import Identity, NodeId
from macula.nat.traversal import PUNCH_CAPABILITY, Traversal
from macula.sim.datagrams import Link
from macula.wire import Decoder, encode
from macula.wire.messages import Hello

from .punching.pair import Pair, Peer

RELAY = NodeId(b"\x77" * 32)


def info_of(identity: Identity, *, reachable: bool = False) -> PeerInfo:
    return sign_peer(
        identity, addresses=(), reachable=reachable, name="", mode="edge", realms=("io.test",), wall=1e9, ttl=3600
    )


class Node:
    """A traversal service in the place of one of the pair's punchers."""

    def __init__(self, duo: Duo, peer: Peer, identity: Identity) -> None:
        self.duo, self.peer, self.identity = duo, peer, identity
        rng = random.Random(f"{duo.pair.seed} {peer.name}")
        self.service = Traversal(identity.node_id, rng.randbytes(32), rng)
        self.reachable = False
        self.route: Route | None = None
        self.routes: list[tuple[float, Route]] = []
        self.traces: list[Trace] = []
        self.redials: list[Redial] = []
        self.got: list[bytes] = []
        self.probes = 0
        self.other: Node
        self._armed: float | None = None
        peer.host.receive = self._receive

    def connect(self, route: Route, *, punches: bool = True) -> None:
        """The connection comes up, by this route."""
        self.route = route
        hello = Hello(2, 2, (PUNCH_CAPABILITY,) if punches else (), ("io.test",), b"x")
        self.handle(
            PeerUp(
                self.other.identity.node_id,
                hello,
                info_of(self.other.identity, reachable=self.other.reachable),
                True,
                route,
            )
        )

    def know(self) -> None:
        self.do(self.service.know(self.peer.side(), self.duo.now))

    def handle(self, event: ServiceEvent) -> None:
        self.do(self.service.handle(event, self.duo.now, self.duo.now))
        if self.service.take_look():
            self.know()

    def do(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case SendDatagram(target, data):
                    self.probes += 1
                    self.peer.host.send(target, data)
                case SendTo(_, _, message):
                    self.duo.carry(self, encode(message))
                case SetPath(peer, route):
                    assert peer == self.other.identity.node_id
                    assert route != self.route
                    self.route = route
                    self.routes.append((self.duo.now, route))
                    self.handle(PathMoved(peer, route))
                case Trace():
                    self.traces.append(action)
                case Redial():
                    self.redials.append(action)
                case _:
                    raise AssertionError(action)
        self._arm()

    def send(self, data: bytes) -> None:
        """What the application sends, by the route of the moment."""
        if isinstance(self.route, Address):
            self.peer.host.send(self.route, data)
        else:
            at = self.duo.now + self.duo.pair.relay_rtt / 2
            self.duo.pair.clock.at(at, lambda: self.other.got.append(data))

    def _receive(self, data: bytes, source: Address) -> None:
        if data[:1] == b"\x21":
            self.handle(DatagramReceived(source, data))
        else:
            self.got.append(data)

    def _arm(self) -> None:
        at = self.service.next_deadline()
        if at is not None and (self._armed is None or at < self._armed):
            self._armed = at
            self.duo.pair.clock.at(at, self._tick)

    def _tick(self) -> None:
        self._armed = None
        self.handle(Tick())


class Duo:
    """Both connected through the relay, each knowing what it is behind."""

    def __init__(self, a: str, b: str, *, seed: int = 0, link: Link | None = None) -> None:
        self.pair = Pair(a, b, seed=seed, link=link or Link(0.015))
        rng = random.Random(seed)
        self.a = Node(self, self.pair.a, Identity.from_random(rng))
        self.b = Node(self, self.pair.b, Identity.from_random(rng))
        self.a.other, self.b.other = self.b, self.a

    @property
    def now(self) -> float:
        return self.pair.clock.now

    def connect(self) -> None:
        for node in (self.a, self.b):
            node.know()
            node.connect(Relayed(RELAY, node.other.identity.node_id))

    def carry(self, sender: Node, frame: bytes) -> None:
        """A message over the connection; the direct path is as good as the relay for it."""
        ((message, _),) = Decoder().feed(frame)
        received = Received(sender.identity.node_id, message)
        self.pair.clock.at(self.now + self.pair.relay_rtt / 2, lambda: sender.other.handle(received))

    def suspect(self) -> None:
        """Both transports notice that nothing is acknowledged."""
        for node in (self.a, self.b):
            node.handle(PeerSuspect(node.other.identity.node_id, True))

    def run(self, seconds: float) -> None:
        self.pair.run(seconds)

    def through(self) -> bool:
        """Whether what each sends now arrives."""
        for node in (self.a, self.b):
            node.send(f"{node.peer.name} {self.now}".encode())
        sent_at = self.now
        self.run(0.5)
        return all(f"{node.peer.name} {sent_at}".encode() in node.other.got for node in (self.a, self.b))
