"""Two hosts that cannot reach each other, and relays that both can."""

from __future__ import annotations

import random

from macula.core.effects import Dial, ServeClient, UseRelay
from macula.core.route import Relayed
from macula.providers.quic.settings import QuicSettings
from providers.quic.network import Host, Network

RATE = 50_000_000


class Parties:
    """`a` and `b`, each with a session at each of `relays`; what `a` and `b` send to each other directly is lost."""

    def __init__(self, relays: int = 1, seed: int = 0, settings: QuicSettings | None = None) -> None:
        self.net = Network(seed, settings)
        self.rng = random.Random(seed)
        self.a, self.b = self.net.host(1), self.net.host(2)
        self.relays = [self.net.host(10 + number) for number in range(relays)]
        self.dead: set[Host] = set()
        self.net.tap = lambda data, source, target: self.passes(source, target)
        for relay in self.relays:
            for host in (self.a, self.b):
                host.dial(relay)
        self.net.run(1.0)
        for relay in self.relays:
            for host in (self.a, self.b):
                self.grant(relay, host)
        for host in (self.a, self.b):
            host.events.clear()

    def passes(self, source: object, target: object) -> bool:
        """Whether the network lets this through."""
        if {source, target} == {self.a.address, self.b.address}:
            return False
        return not any(host.address in (source, target) for host in self.dead)

    def grant(self, relay: Host, client: Host, rate: int = RATE) -> tuple[bytes, bytes]:
        """A session; returns its id and key."""
        session, key = self.rng.randbytes(8), self.rng.randbytes(32)
        relay.do(ServeClient(client.id, session, key, rate))
        client.do(UseRelay(relay.id, session, key))
        return session, key

    def dial(self, timeout: float = 5.0) -> None:
        """`a` dials `b` through all relays."""
        self.a.dials += 1
        self.a.do(Dial(self.a.dials, (), self.b.id, timeout, tuple(relay.id for relay in self.relays)))

    def connect(self) -> None:
        """They are connected, and their events forgotten."""
        self.dial()
        self.net.run(1.0)
        assert self.a.connected and self.b.connected
        for host in (self.a, self.b):
            host.events.clear()

    def relay_of(self, host: Host, peer: Host) -> Host | None:
        """Through which relay a host sends to its peer."""
        status = host.endpoint.path(peer.id)
        assert status is not None
        return next((relay for relay in self.relays if relay.id == status.relay), None)

    def via(self, relay: Host, peer: Host) -> Relayed:
        """The route to a peer through a relay."""
        return Relayed(relay.id, peer.id)
