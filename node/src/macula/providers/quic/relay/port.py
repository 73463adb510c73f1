"""Where an endpoint's routes become datagrams and back: relayed ones through both sides of relaying."""

from __future__ import annotations

import random
from collections.abc import Iterable

from macula.core.address import Address
from macula.core.effects import EndClient, LeaveRelay, ServeClient, UseRelay
from macula.core.route import Relayed, Route
from macula.identity import NodeId
from macula.providers.quic.relay.client import RelayClient
from macula.providers.quic.relay.forwarder import Forwarder
from macula.providers.quic.relay.frame import OVERHEAD, session_of
from macula.runtime.transport import RelayCounts

RelayEffect = ServeClient | EndClient | UseRelay | LeaveRelay
Datagram = tuple[bytes, Address]


class RelayPort:
    """The sessions that this node granted, and those that were granted to it."""

    def __init__(self, rng: random.Random) -> None:
        self._forwarder = Forwarder(rng)
        self._client = RelayClient()

    def execute(self, effect: RelayEffect, route: Route | None, now: float) -> None:
        """Carry out an effect; `route` is that of the connection to the node that it names. What needs an address of
        that node, and has none, is ignored."""
        match effect:
            case ServeClient(client, session, key, rate) if isinstance(route, Address):
                self._forwarder.serve(client, session, key, rate, route, now)
            case EndClient(client):
                self._forwarder.end(client)
            case UseRelay(relay, session, key) if isinstance(route, Address):
                self._client.use(relay, session, key, route)
            case LeaveRelay(relay):
                self._client.leave(relay)

    def uses(self, relay: NodeId) -> bool:
        """Whether there is a session at this relay."""
        return self._client.address(relay) is not None

    def moved(self, peer: NodeId, route: Route) -> None:
        """The connection to a peer, which may be a relay or a client, goes by another route."""
        if isinstance(route, Address):
            self._client.moved(peer, route)
            self._forwarder.moved(peer, route)

    def receive(self, frame: bytes, source: Address, now: float) -> tuple[bytes, Route] | None:
        """A frame came: what to send to an address, or what came from a peer by a route; None if it is neither."""
        session = session_of(frame)
        # Ours first: a relay that grants the id of a session of ours must not get at its client.
        if session is not None and self._forwarder.owns(session):
            return self._forwarder.forward(frame, source, now)
        unwrapped = self._client.unwrap(frame)
        if unwrapped is None:
            self._forwarder.drop("unknown session")
            return None
        route, datagram = unwrapped
        return datagram, route

    def wrap(self, datagrams: Iterable[tuple[bytes, Route]]) -> list[Datagram]:
        """What goes to the socket; what has no session to go by is lost."""
        out = self._forwarder.challenges()
        for data, route in datagrams:
            if not isinstance(route, Relayed):
                out.append((data, route))
            elif (frame := self._client.wrap(route, data)) is not None:
                out.append(frame)
        return out

    def address(self, route: Route) -> Address | None:
        """Where the datagrams of this route go first."""
        return self._client.address(route.relay) if isinstance(route, Relayed) else route

    def overhead(self, route: Route) -> int:
        """Bytes that go before each datagram on this route."""
        return OVERHEAD if isinstance(route, Relayed) else 0

    def counts(self) -> RelayCounts:
        """What this node forwarded."""
        return self._forwarder.counts()
