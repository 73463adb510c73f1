"""A network that carries connections: latency, order within a lane, partitions, dead hosts."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from macula.core.address import Address
from macula.core.effects import ClosePeer, Dial, PauseReading, SendDatagram, SendMessage, SetPath, TransportEffect
from macula.core.events import (
    UNREACHABLE,
    DatagramReceived,
    DialFailed,
    Event,
    MessageReceived,
    PeerConnected,
    PeerLost,
)
from macula.core.lanes import Lane
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
    loss_timeout: float = 15.0
    """After which a connection to a dead or partitioned host is noticed as lost."""


@dataclass(slots=True)
class _Host:
    node: NodeId
    address: Address
    deliver: Deliver
    group: int = 0


class Network:
    """Message-level: handshakes always prove identities, frames pass through the real codec, a lane keeps its order."""

    def __init__(self, clock: Clock, rng: random.Random, settings: NetworkSettings) -> None:
        self._clock = clock
        self._rng = rng
        self._settings = settings
        self._hosts: dict[NodeId, _Host] = {}
        self._by_address: dict[Address, NodeId] = {}
        self._links: dict[tuple[NodeId, NodeId], int] = {}
        self._arrivals: dict[tuple[NodeId, NodeId, Lane], float] = {}
        self._generation = 0
        self.messages = 0

    def attach(self, node: NodeId, address: Address, deliver: Deliver) -> None:
        """A host appears; it may have been there before."""
        self._hosts[node] = _Host(node, address, deliver)
        self._by_address[address] = node

    def detach(self, node: NodeId) -> None:
        """The host dies without a word; its peers notice after `loss_timeout`."""
        host = self._hosts.pop(node)
        self._by_address.pop(host.address, None)
        for a, b in list(self._links):
            if a == node:
                self._cut(a, b, codes.IDLE, "host died", self._settings.loss_timeout)

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

    def execute(self, source: NodeId, effect: TransportEffect) -> None:
        """Carry out an effect of one host."""
        match effect:
            case Dial():
                self._dial(source, effect)
            case SendMessage(peer, lane, message):
                self._send(source, peer, lane, encode(message))
            case ClosePeer(peer, code, reason):
                self._cut(source, peer, code, reason, 0.0)
            case SendDatagram(target, data):
                self._send_datagram(source, target, data)
            case PauseReading() | SetPath():
                # There is one path. Messages are taken one at a time here, so there is no window to close.
                pass
            case _:
                assert_never(effect)

    def _dial(self, source: NodeId, dial: Dial) -> None:
        target = next((self._by_address[a] for a in dial.addresses if a in self._by_address), None)
        if target is None or not self._joined(source, target):
            self._tell(source, DialFailed(dial.dial, UNREACHABLE, f"no answer in {dial.timeout:g} s"), dial.timeout)
            return
        if dial.expected is not None and dial.expected != target:
            reason = f"expected {dial.expected.short}, found {target.short}"
            self._tell(source, DialFailed(dial.dial, codes.BAD_IDENTITY, reason), 2 * self._delay())
            return
        host = self._hosts[source]
        self._clock.at(self._clock.now + 2 * self._delay(), lambda: self._established(host, target, dial))

    def _established(self, host: _Host, target: NodeId, dial: Dial) -> None:
        source = host.node
        if self._hosts.get(source) is not host:
            return
        if target not in self._hosts or not self._joined(source, target):
            self._tell(source, DialFailed(dial.dial, UNREACHABLE, "no answer"), 0.0)
            return
        fresh = (source, target) not in self._links
        if fresh:
            self._generation += 1
            self._links[source, target] = self._links[target, source] = self._generation
            self._hosts[target].deliver(PeerConnected(source, host.address, None))
        host.deliver(PeerConnected(target, self._hosts[target].address, dial.dial, fresh))

    def _send(self, source: NodeId, peer: NodeId, lane: Lane, frame: bytes) -> None:
        generation = self._links.get((source, peer))
        if generation is None:
            return
        self.messages += 1
        arrival = max(self._clock.now + self._delay(), self._arrivals.get((source, peer, lane), 0.0))
        self._arrivals[source, peer, lane] = arrival

        def arrive() -> None:
            if self._links.get((source, peer)) != generation or peer not in self._hosts:
                return
            ((message, size),) = Decoder().feed(frame)
            self._hosts[peer].deliver(MessageReceived(source, lane, message, size))

        self._clock.at(arrival, arrive)

    def _send_datagram(self, source: NodeId, target: Address, data: bytes) -> None:
        node = self._by_address.get(target)
        if node is not None and self._joined(source, node):
            self._tell(node, DatagramReceived(self._hosts[source].address, data), self._delay())

    def _cut(self, a: NodeId, b: NodeId, code: str, reason: str, delay: float) -> None:
        if self._links.pop((a, b), None) is None:
            return
        self._links.pop((b, a), None)
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
