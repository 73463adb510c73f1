"""Real QUIC endpoints behind simulated NATs: two clients of a relay, that find a direct path for their connection."""

from __future__ import annotations

import random
from dataclasses import replace

from macula.core.address import Address
from macula.core.effects import Dial, SendDatagram, SendMessage, ServeClient, SetPath, Trace, UseRelay
from macula.core.events import DatagramReceived, MessageReceived, PathMoved, PeerConnected, PeerLost, PeerSuspect, Tick
from macula.core.lanes import Lane
from macula.core.peer_record import PeerInfo, sign_peer
from macula.core.requests import PeerUp, Received, SendTo
from macula.core.route import Route
from macula.core.service import Action, ServiceEvent
from macula.identity import Identity, NodeId
from macula.nat.profile import parse
from macula.nat.punching.candidates import Candidate, CandidateKind
from macula.nat.punching.offer import Side
from macula.nat.traversal import PUNCH_CAPABILITY, Traversal
from macula.providers.quic.endpoint import Endpoint
from macula.providers.quic.settings import QuicSettings
from macula.sim.clock import Clock
from macula.sim.datagrams import Datagrams, Link
from macula.sim.nat import NatBox
from macula.wire.messages import Hello, Message, Publish
from nat.punching.pair import OBSERVER, facts_of, profile_of

from .network import numbered

RATE = 50_000_000


class Node:
    """An endpoint and, on top of it, the traversal service, with nothing between but what the engine would do."""

    def __init__(self, world: World, number: int, kind: str) -> None:
        self.world = world
        self.identity = Identity.from_random(random.Random(number))
        self.id = self.identity.node_id
        box = NatBox(parse(kind), f"203.0.113.{number}", random.Random(number))
        self.box = box
        plain = not box.profile.translates
        segment = world.net.behind(box, link=world.link)
        address = Address(f"198.18.0.{number}" if plain else f"192.168.{number}.2", 9443)
        self.host = world.net.attach(segment, address, self._receive)
        rng = random.Random(f"{world.seed} {number}")
        self.endpoint = Endpoint(self.identity, rng, number, QuicSettings())
        self.traversal = Traversal(self.id, rng.randbytes(32), rng)
        self.facts = facts_of(profile_of(kind))
        self.routes: list[tuple[float, Route]] = []
        self.lost: list[PeerLost] = []
        self.connected: list[PeerConnected] = []
        self.arrivals: list[tuple[float, Message]] = []
        self.punches_with: NodeId | None = None
        self._armed: float | None = None
        self._looks = 0

    def side(self) -> Side:
        """What it would tell of itself, freshly looked at."""
        self._looks += 1
        seen = self.box.outbound(self.host.address, Address(OBSERVER, self._looks), self.world.clock.now)
        own = Candidate(CandidateKind.INTERFACE, self.host.address)
        if seen is None:
            return Side(self.facts, (own,))
        outside = Candidate(CandidateKind.REFLEXIVE, seen)
        return Side(replace(self.facts, last_port=seen.port), (outside, own))

    def know(self) -> None:
        self.do(self.traversal.know(self.side(), self.world.clock.now))

    def do(self, actions: list[Action]) -> None:
        now = self.world.clock.now
        for action in actions:
            match action:
                case SendTo(peer, lane, message):
                    self.endpoint.execute(SendMessage(peer, lane, message), now)
                case SendDatagram() | SetPath() | SendMessage() | Dial() | ServeClient() | UseRelay():
                    self.endpoint.execute(action, now)
                case Trace():
                    pass
                case _:
                    raise AssertionError(action)
        self.flush()

    def tell(self, event: ServiceEvent) -> None:
        self.do(self.traversal.handle(event, self.world.clock.now, self.world.clock.wall))
        if self.traversal.take_look():
            self.know()

    def flush(self) -> None:
        """Hand on what the endpoint has to say, send what it has to send, and be called when it wants."""
        now = self.world.clock.now
        while True:
            events = self.endpoint.events()
            for data, target in self.endpoint.datagrams_to_send(now):
                self.host.send(target, data)
            if not events:
                break
            for event in events:
                self._happened(event)
        self._arm()

    def _happened(self, event: object) -> None:
        match event:
            case DatagramReceived() | PathMoved() | PeerSuspect():
                if isinstance(event, PathMoved):
                    self.routes.append((self.world.clock.now, event.route))
                self.tell(event)
            case PeerConnected(peer=peer, route=route):
                self.connected.append(event)
                if peer == self.punches_with:
                    hello = Hello(2, 2, (PUNCH_CAPABILITY,), ("io.test",), b"x")
                    self.tell(PeerUp(peer, hello, self.world.info, True, route))
            case PeerLost():
                self.lost.append(event)
            case MessageReceived(peer=peer, message=message):
                self.arrivals.append((self.world.clock.now, message))
                if not isinstance(message, Publish):
                    self.tell(Received(peer, message))
            case _:
                pass

    def _receive(self, data: bytes, source: Address) -> None:
        self.endpoint.receive(data, source, self.world.clock.now, ttl=62)
        self.flush()

    def _arm(self) -> None:
        due = [at for at in (self.endpoint.next_deadline(), self.traversal.next_deadline()) if at is not None]
        if due and (self._armed is None or min(due) < self._armed):
            self._armed = min(due)
            self.world.clock.at(self._armed, self._tick)

    def _tick(self) -> None:
        self._armed = None
        now = self.world.clock.now
        if (at := self.endpoint.next_deadline()) is not None and at <= now:
            self.endpoint.handle_timer(now)
        if (at := self.traversal.next_deadline()) is not None and at <= now:
            self.tell(Tick())
        self.flush()

    def numbers(self) -> list[int]:
        return [message.sequence for _, message in self.arrivals if isinstance(message, Publish)]


class World:
    """`a` and `b` behind NATs, each with a session at the relay, which stands in the open."""

    def __init__(self, a: str, b: str, *, seed: int = 0, link: Link | None = None) -> None:
        self.seed, self.clock = seed, Clock()
        self.clock.now = 1000.0
        self.link = link or Link(0.01)
        self.net = Datagrams(self.clock, random.Random(seed))
        self.info: PeerInfo = sign_peer(
            Identity.from_random(random.Random(9)),
            addresses=(),
            reachable=False,
            name="",
            mode="edge",
            realms=("io.test",),
            wall=self.clock.wall,
            ttl=3600,
        )
        self.relay = Node(self, 3, "none")
        self.a, self.b = Node(self, 1, a), Node(self, 2, b)
        rng = random.Random(seed)
        for node in (self.a, self.b):
            node.do([Dial(1, (self.relay.host.address,), self.relay.id, 5.0)])
        self.run(1.0)
        for node in (self.a, self.b):
            session, key = rng.randbytes(8), rng.randbytes(32)
            self.relay.do([ServeClient(node.id, session, key, RATE)])
            node.do([UseRelay(self.relay.id, session, key)])
        self.a.punches_with, self.b.punches_with = self.b.id, self.a.id

    def connect(self) -> None:
        """`a` dials `b` through the relay; both know what they are behind."""
        for node in (self.a, self.b):
            node.know()
        self.a.do([Dial(2, (), self.b.id, 5.0, (self.relay.id,))])
        while not all(any(up.peer == one.punches_with for up in one.connected) for one in (self.a, self.b)):
            assert self.clock.step(self.clock.now + 1.0)

    def run(self, seconds: float) -> None:
        until = self.clock.now + seconds
        while self.clock.step(until):
            pass

    def load(self, count: int, every: float) -> None:
        """Numbered messages each way, from now on."""
        for number in range(1, count + 1):
            self.clock.at(self.clock.now + number * every, lambda number=number: self._send(number))  # type: ignore[misc]

    def _send(self, number: int) -> None:
        for node, peer in ((self.a, self.b), (self.b, self.a)):
            node.do([SendMessage(peer.id, Lane.PUBSUB, numbered(number, 300))])
