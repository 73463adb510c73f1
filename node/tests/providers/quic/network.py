"""Endpoints on virtual time, joined by a programmable, seeded network. No sockets, no tasks."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from macula.core.address import Address
from macula.core.effects import Dial, EndpointEffect, SendMessage
from macula.core.events import DialFailed, Event, MessageReceived, PeerConnected, PeerLost
from macula.core.lanes import Lane
from macula.identity import Identity, NodeId
from macula.providers.quic.endpoint import Endpoint
from macula.providers.quic.settings import QuicSettings
from macula.wire import Message
from macula.wire.messages import Publish

E = TypeVar("E", bound=Event)

MTU = 1500


@dataclass
class Link:
    """What happens to datagrams: delay and random extra delay in seconds, loss and duplication as probabilities."""

    delay: float = 0.01
    jitter: float = 0.0
    loss: float = 0.0
    duplicate: float = 0.0


class Host:
    """An endpoint at its addresses, and everything that happened to it."""

    def __init__(self, network: Network, seed: int, address: Address, settings: QuicSettings, instance: int) -> None:
        self.network = network
        self.identity = Identity.from_random(random.Random(seed))
        self.id = self.identity.node_id
        self.address = address
        self.endpoint = Endpoint(self.identity, random.Random(seed), instance, settings)
        self.events: list[Event] = []
        self.dials = 0

    def do(self, effect: EndpointEffect) -> None:
        self.endpoint.execute(effect, self.network.now)

    def dial(self, *targets: Host | Address, expected: NodeId | None = None, timeout: float = 5.0) -> int:
        addresses = tuple(t.address if isinstance(t, Host) else t for t in targets)
        if expected is None and isinstance(targets[0], Host):
            expected = targets[0].id
        self.dials += 1
        self.do(Dial(self.dials, addresses, expected, timeout))
        return self.dials

    def send(self, peer: Host, message: Message, lane: Lane = Lane.CONTROL) -> None:
        self.do(SendMessage(peer.id, lane, message))

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def connected(self) -> list[PeerConnected]:
        return self.of(PeerConnected)

    @property
    def lost(self) -> list[PeerLost]:
        return self.of(PeerLost)

    @property
    def failed(self) -> list[DialFailed]:
        return self.of(DialFailed)

    def received(self, lane: Lane | None = None) -> list[Message]:
        return [e.message for e in self.of(MessageReceived) if lane is None or e.lane is lane]

    def numbers(self, lane: Lane | None = None) -> list[int]:
        return [message.sequence for message in self.received(lane) if isinstance(message, Publish)]


class Network:
    """Datagrams between hosts. `tap` sees each one first and may drop it by returning False."""

    def __init__(self, seed: int = 0, settings: QuicSettings | None = None) -> None:
        self.now = 1000.0
        self.link = Link()
        self.rng = random.Random(seed)
        self.settings = settings or QuicSettings()
        self.hosts: dict[Address, Host] = {}
        self.translate: dict[tuple[Address, Address], Address] = {}
        self.deaf: dict[Address, tuple[float, float]] = {}
        """from when until when what comes for a host lies in its socket, since other programs have its processor"""
        self.tap: Callable[[bytes, Address, Address], bool] = lambda data, source, target: True
        self.mtu = MTU
        """the largest datagram that the hosts' own links take"""
        self.sent: Counter[tuple[Address, Address]] = Counter()
        self._flying: list[tuple[float, int, bytes, Address, Address]] = []
        self._count = 0

    def host(self, seed: int, settings: QuicSettings | None = None, instance: int | None = None) -> Host:
        """A host with the identity of this seed; one that is there already is replaced, as by a restart."""
        self._count += 1
        address = Address(f"10.0.{seed}.1", 9443)
        host = Host(self, seed, address, settings or self.settings, instance or self._count)
        self.hosts[address] = host
        return host

    def pair(self) -> tuple[Host, Host]:
        """Two connected hosts: the first dialed."""
        a, b = self.host(1), self.host(2)
        a.dial(b)
        self.run(1.0)
        assert a.connected and b.connected
        a.events.clear()
        b.events.clear()
        return a, b

    def inject(self, data: bytes, source: Address, target: Address) -> None:
        """Put a datagram on the wire, from any address."""
        self._fly(data, source, target)

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Let virtual time pass, or stop as soon as `until` holds; it is asked after each event and may send."""
        end = self.now + seconds
        turns = 0
        while True:
            self._flush()
            if until():
                return
            self._flush()
            next_at = min(self._deadlines(), default=None)
            if next_at is None or next_at > end:
                self.now = end
                return
            turns = 0 if next_at > self.now else turns + 1
            assert turns < 1000, "livelock: an endpoint has a deadline that passes without effect"
            self.now = max(self.now, next_at)
            self._deliver()

    def _deadlines(self) -> list[float]:
        deadlines = [host.endpoint.next_deadline() for host in self._unique()]
        return [at for at in deadlines if at is not None] + [entry[0] for entry in self._flying[:1]]

    def _unique(self) -> list[Host]:
        return list(dict.fromkeys(self.hosts.values()))

    def _deliver(self) -> None:
        # What comes at once is read at once, as from a socket.
        batches: dict[Host, list[tuple[bytes, Address, int | None]]] = {}
        while self._flying and self._flying[0][0] <= self.now:
            _, _, data, source, target = heapq.heappop(self._flying)
            if target in self.hosts:
                batches.setdefault(self.hosts[target], []).append((data, source, 62))
        for host, batch in batches.items():
            host.endpoint.receive_all(batch, self.now)
        for host in self._unique():
            deadline = host.endpoint.next_deadline()
            if deadline is not None and deadline <= self.now:
                host.endpoint.handle_timer(self.now)

    def _flush(self) -> None:
        for host in self._unique():
            host.events += host.endpoint.events()
            for data, target in host.endpoint.datagrams_to_send(self.now):
                if len(data) > self.mtu:
                    host.endpoint.refused(len(data), target, self.now)
                    continue
                source = self.translate.get((host.address, target), host.address)
                self._fly(data, source, target)
            host.events += host.endpoint.events()

    def _fly(self, data: bytes, source: Address, target: Address) -> None:
        self.sent[source, target] += len(data)
        if not self.tap(data, source, target) or self.rng.random() < self.link.loss:
            return
        copies = 2 if self.rng.random() < self.link.duplicate else 1
        for _ in range(copies):
            self._count += 1
            at = self.now + self.link.delay + self.rng.random() * self.link.jitter
            begin, end = self.deaf.get(target, (0.0, 0.0))
            at = end if begin <= at < end else at
            heapq.heappush(self._flying, (at, self._count, data, source, target))


def load(net: Network, a: Host, b: Host, count: int, size: int = 3000) -> Callable[[], bool]:
    """For `run`: numbered messages each way, spread over the lanes, at most one in 2 ms."""
    number, due = 0, net.now

    def send() -> bool:
        nonlocal number, due
        if number < count and net.now >= due:
            number, due = number + 1, net.now + 0.002
            for host, peer in ((a, b), (b, a)):
                host.send(peer, numbered(number, size), Lane(number % 3))
        return False

    return send


def assert_all_arrived(count: int, *hosts: Host) -> None:
    """What `load` sent came complete and in order on every lane."""
    for host in hosts:
        assert not host.lost
        for lane in Lane:
            assert host.numbers(lane) == [n for n in range(1, count + 1) if n % 3 == lane]


def numbered(number: int, size: int = 10) -> Publish:
    """A message that can be told from others, with a payload of `size` bytes."""
    return Publish("r", "t.x", bytes(size), 0, 1, number, 0)
