"""A network that carries connections: latency, order within a lane, partitions, dead hosts."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import assert_never

from macula.core.address import Address
from macula.core.effects import (
    ClosePeer,
    CloseSocket,
    Dial,
    EndClient,
    LeaveRelay,
    Multicast,
    OpenSocket,
    PauseReading,
    SendBeside,
    SendDatagram,
    SendMessage,
    ServeClient,
    SetPath,
    TransportEffect,
    UseRelay,
)
from macula.core.events import (
    UNREACHABLE,
    DatagramReceived,
    DialFailed,
    Event,
    MessageReceived,
    PathMoved,
    PeerConnected,
    PeerLost,
    PeerSuspect,
    SocketFailed,
    SocketOpened,
)
from macula.core.lanes import Lane
from macula.core.route import Relayed, Route
from macula.identity import NodeId
from macula.sim.clock import Clock
from macula.wire import Decoder, codes, encode

Deliver = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """How the simulated network behaves; times in seconds."""

    latency: float = 0.02
    """One way, the mean of a uniform spread."""
    jitter: float = 0.25
    """Half-width of that spread, as a share of the latency."""
    suspect_time: float = 0.5
    """After which a relayed peer is suspect whose relay is dead."""
    resend_time: float = 1.0
    """After which a message that a dead relay has lost is sent again."""
    loss_timeout: float = 15.0
    """After which a connection to a dead or partitioned host is noticed as lost."""


@dataclass(slots=True)
class _Host:
    node: NodeId
    address: Address
    deliver: Deliver
    group: int = 0
    sockets: dict[int, Address] = field(default_factory=dict)
    clients: set[NodeId] = field(default_factory=set)
    """Whom it relays for."""


class Network:
    """Message-level: handshakes always prove identities, frames pass through the real codec, a lane keeps its order."""

    def __init__(self, clock: Clock, rng: random.Random, settings: NetworkSettings) -> None:
        self._clock = clock
        self._rng = rng
        self._settings = settings
        self._hosts: dict[NodeId, _Host] = {}
        self._by_address: dict[Address, NodeId] = {}
        self._links: dict[tuple[NodeId, NodeId], int] = {}
        self._routes: dict[tuple[NodeId, NodeId], Route] = {}
        self._arrivals: dict[tuple[NodeId, NodeId, Lane], float] = {}
        self._sockets: dict[Address, tuple[NodeId, int]] = {}
        self._ports = count()
        self._generation = 0
        self._held: dict[NodeId, float] = {}
        self.messages = 0

    def attach(self, node: NodeId, address: Address, deliver: Deliver) -> None:
        """A host appears; it may have been there before."""
        self._hosts[node] = _Host(node, address, deliver)
        self._by_address[address] = node

    def detach(self, node: NodeId) -> None:
        """The host dies without a word; its peers notice after `loss_timeout`."""
        host = self._hosts.pop(node)
        self._by_address.pop(host.address, None)
        for address in host.sockets.values():
            self._sockets.pop(address, None)
        for a, b in list(self._links):
            if a == node:
                self._cut(a, b, codes.IDLE, "host died", self._settings.loss_timeout)
        self._clock.at(self._clock.now + self._settings.loss_timeout, lambda: self._cut_through(node))

    def partition(self, *groups: list[NodeId]) -> None:
        """Only hosts of the same group reach each other; those named in none form a group of their own."""
        for host in self._hosts.values():
            host.group = next((i + 1 for i, group in enumerate(groups) if host.node in group), 0)
        for a, b in list(self._links):
            if (a, b) in self._links and not self._joined(a, b):
                self._cut(a, b, codes.IDLE, "partitioned", self._settings.loss_timeout)

    def heal(self) -> None:
        """Everybody reaches everybody again."""
        self.partition()

    def hold_back(self, relay: NodeId, seconds: float) -> None:
        """What this relay forwards takes so much longer from now on, infinity: is lost. All else of it goes on."""
        self._held[relay] = seconds

    def execute(self, source: NodeId, effect: TransportEffect) -> None:
        """Carry out an effect of one host."""
        match effect:
            case Dial():
                self._dial(source, effect)
            case SendMessage(peer, lane, message, compressed):
                self._send(source, peer, lane, encode(message, compressed=compressed))
            case Multicast(peers, lane, message, compressed):
                frame = encode(message, compressed=compressed)
                for peer in peers:
                    self._send(source, peer, lane, frame)
            case ClosePeer(peer, code, reason):
                self._cut(source, peer, code, reason, 0.0)
            case SendDatagram(target, data, number):
                self._send_datagram(source, number, target, data)
            case SendBeside(peer, port, data, number):
                if (source, peer) in self._links and peer in self._hosts:
                    self._send_datagram(source, number, Address(self._hosts[peer].address.host, port), data)
            case OpenSocket():
                self._open(self._hosts[source], effect)
            case CloseSocket(number):
                closed = self._hosts[source].sockets.pop(number, None)
                if closed is not None:
                    del self._sockets[closed]
            case ServeClient(client=client):
                self._hosts[source].clients.add(client)
            case EndClient(client):
                self._hosts[source].clients.discard(client)
            case SetPath(peer, route):
                self._set_path(source, peer, route)
            case PauseReading() | UseRelay() | LeaveRelay():
                # Messages are taken one at a time here, so there is no window to close; a relay knows its clients.
                pass
            case _:
                assert_never(effect)

    def _dial(self, source: NodeId, dial: Dial) -> None:
        target = next((self._by_address[a] for a in dial.addresses if a in self._by_address), None)
        usable = [relay for relay in dial.relays if self._relays(relay, source, dial.expected)]
        relay = min(usable, key=lambda one: self._held.get(one, 0.0), default=None)
        if relay is not None and dial.expected is not None:
            host, expected = self._hosts[source], dial.expected
            takes = 4 * self._delay() + 2 * self._held.get(relay, 0.0)
            self._clock.at(self._clock.now + takes, lambda: self._established(host, expected, dial, relay))
            return
        if target is None or not self._joined(source, target):
            self._tell(source, DialFailed(dial.dial, UNREACHABLE, f"no answer in {dial.timeout:g} s"), dial.timeout)
            return
        if dial.expected is not None and dial.expected != target:
            reason = f"expected {dial.expected.short}, found {target.short}"
            self._tell(source, DialFailed(dial.dial, codes.BAD_IDENTITY, reason), 2 * self._delay())
            return
        host = self._hosts[source]
        self._clock.at(self._clock.now + 2 * self._delay(), lambda: self._established(host, target, dial))

    def _cut_through(self, relay: NodeId) -> None:
        """The relay is dead, and who still goes through it has no other."""
        for (a, b), route in list(self._routes.items()):
            if isinstance(route, Relayed) and route.relay == relay and relay not in self._hosts:
                self._cut(a, b, codes.IDLE, "the relay died", 0.0)

    def _relays(self, relay: NodeId, source: NodeId, target: NodeId | None) -> bool:
        host = self._hosts.get(relay)
        if host is None or target not in self._hosts or target is None or not {source, target} <= host.clients:
            return False
        if self._held.get(relay) == math.inf:
            return False
        return self._joined(source, relay) and self._joined(relay, target)

    def _set_path(self, source: NodeId, peer: NodeId, route: Route) -> None:
        if (source, peer) not in self._links:
            return
        for a, b in ((source, peer), (peer, source)):
            # The other end follows the first message; here at once.
            moved = Relayed(route.relay, b) if isinstance(route, Relayed) else self._hosts[b].address
            if self._routes.get((a, b)) != moved:
                self._routes[a, b] = moved
                self._tell(a, PathMoved(b, moved), 0.0)

    def _established(self, host: _Host, target: NodeId, dial: Dial, relay: NodeId | None = None) -> None:
        source = host.node
        if self._hosts.get(source) is not host:
            return
        there = self._relays(relay, source, target) if relay else target in self._hosts and self._joined(source, target)
        if not there:
            self._tell(source, DialFailed(dial.dial, UNREACHABLE, "no answer"), 0.0)
            return
        fresh = (source, target) not in self._links
        if fresh:
            self._generation += 1
            self._links[source, target] = self._links[target, source] = self._generation
            back = self._routes[target, source] = Relayed(relay, source) if relay else host.address
            self._routes[source, target] = Relayed(relay, target) if relay else self._hosts[target].address
            self._hosts[target].deliver(PeerConnected(source, back, None))
        # The other end may have closed it by now.
        route = self._routes.get((source, target), self._hosts[target].address)
        host.deliver(PeerConnected(target, route, dial.dial, fresh))

    def _send(self, source: NodeId, peer: NodeId, lane: Lane, frame: bytes) -> None:
        generation = self._links.get((source, peer))
        if generation is None:
            return
        self.messages += 1
        route = self._routes[source, peer]
        held = self._held.get(route.relay, 0.0) if isinstance(route, Relayed) else 0.0
        held = held if held < math.inf else 0.0
        if held > self._settings.suspect_time:
            self._tell(source, PeerSuspect(peer, True), self._settings.suspect_time)
            self._tell(source, PeerSuspect(peer, False), held)
        arrival = max(self._clock.now + self._delay() + held, self._arrivals.get((source, peer, lane), 0.0))
        self._arrivals[source, peer, lane] = arrival

        def arrive() -> None:
            if self._links.get((source, peer)) != generation or peer not in self._hosts:
                return
            route = self._routes[source, peer]
            if isinstance(route, Relayed) and not self._relays(route.relay, source, peer):
                self._tell(source, PeerSuspect(peer, True), self._settings.suspect_time)
                self._clock.at(self._clock.now + self._settings.resend_time, arrive)
                return
            ((message, size),) = Decoder().feed(frame)
            self._hosts[peer].deliver(MessageReceived(source, lane, message, size))

        self._clock.at(arrival, arrive)

    def _send_datagram(self, source: NodeId, number: int, target: Address, data: bytes) -> None:
        host = self._hosts[source]
        origin = host.sockets.get(number) if number else host.address
        node, arrives_at = self._sockets.get(target) or (self._by_address.get(target), 0)
        if origin is not None and node is not None and node in self._hosts and self._joined(source, node):
            self._tell(node, DatagramReceived(origin, data, arrives_at), self._delay())

    def _open(self, host: _Host, effect: OpenSocket) -> None:
        address = Address(host.address.host, effect.port or 32_768 + next(self._ports) % 28_000)
        if address in self._sockets or address in self._by_address:
            self._tell(host.node, SocketFailed(effect.number, "Address already in use"), 0.0)
            return
        host.sockets[effect.number] = address
        self._sockets[address] = (host.node, effect.number)
        self._tell(host.node, SocketOpened(effect.number, address), 0.0)

    def _cut(self, a: NodeId, b: NodeId, code: str, reason: str, delay: float) -> None:
        if self._links.pop((a, b), None) is None:
            return
        self._links.pop((b, a), None)
        self._routes.pop((a, b), None)
        self._routes.pop((b, a), None)
        for lane in Lane:
            self._arrivals.pop((a, b, lane), None)
            self._arrivals.pop((b, a, lane), None)
        self._tell_lost(a, PeerLost(b, code, reason), delay)
        self._tell_lost(b, PeerLost(a, code, reason), delay + self._delay())

    def _tell(self, node: NodeId, event: Event, delay: float) -> None:
        host = self._hosts.get(node)

        def tell() -> None:
            # Not to one that was started anew meanwhile: it asked for nothing.
            if host is not None and self._hosts.get(node) is host:
                host.deliver(event)

        self._clock.at(self._clock.now + delay, tell)

    def _tell_lost(self, node: NodeId, event: PeerLost, delay: float) -> None:
        host = self._hosts.get(node)

        def tell() -> None:
            # A connection that came up meanwhile has replaced the lost one.
            if host is not None and self._hosts.get(node) is host and (node, event.peer) not in self._links:
                host.deliver(event)

        self._clock.at(self._clock.now + delay, tell)

    def _joined(self, a: NodeId, b: NodeId) -> bool:
        return self._hosts[a].group == self._hosts[b].group

    def _delay(self) -> float:
        spread = self._settings.latency * self._settings.jitter
        return self._rng.uniform(self._settings.latency - spread, self._settings.latency + spread)
