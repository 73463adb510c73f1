"""The side of a relay that decides: who may have a session, for how long, and what it may send."""

from __future__ import annotations

import random
from dataclasses import dataclass
from hashlib import blake2b

from macula.core.address import Address
from macula.core.effects import EndClient, ServeClient, Trace
from macula.core.events import PathMoved, Tick
from macula.core.lanes import Lane
from macula.core.networks import network_of
from macula.core.requests import Draining, PeerDown, PeerUp, Received, SendTo
from macula.core.route import Route
from macula.core.service import Action, ServiceEvent
from macula.core.timers import Timers
from macula.core.token_bucket import TokenBucket
from macula.identity import Identity, NodeId
from macula.relay.settings import RelaySettings
from macula.wire import codes
from macula.wire.messages import Message, RelayDrain, RelayGrant, RelayRefuse, RelayReserve

_DOMAIN = b"macula/2 relay session"
_SESSION_SIZE = 8


@dataclass(slots=True)
class _Peer:
    network: bytes | None
    """None for a peer that itself comes through a relay."""
    requests: TokenBucket


@dataclass(frozen=True, slots=True)
class _Grant:
    session: bytes
    key: bytes
    network: bytes


class RelayGranter:
    """Answers RelayReserve of connected peers: at most one session for each, at most so many for all of one network.

    Keys come from this node's identity and a random session id, so nobody else can tell them, and the same events give
    the same keys.
    """

    def __init__(self, settings: RelaySettings, identity: Identity, enabled: bool, rng: random.Random) -> None:
        """`enabled`: whether this node relays at all."""
        self._settings = settings
        self._identity = identity
        self._enabled = enabled
        self._rng = rng
        self._peers: dict[NodeId, _Peer] = {}
        self._grants: dict[NodeId, _Grant] = {}
        self._networks: dict[bytes, int] = {}
        self._expiry: Timers[NodeId] = Timers()
        self._draining = False
        self._drained_at: float | None = None

    @property
    def clients(self) -> int:
        """Sessions at present."""
        return len(self._grants)

    @property
    def drained(self) -> bool:
        """Whether there are no clients, or those of a node that shuts down have had their time to move."""
        return not self._grants or (self._draining and self._drained_at is None)

    def handle(self, event: ServiceEvent, now: float, wall: float) -> list[Action]:
        """See core.service."""
        match event:
            case PeerUp(peer=peer, route=route):
                settings = self._settings
                requests = TokenBucket(settings.request_rate, settings.request_burst, now)
                self._peers[peer] = _Peer(_network(route), requests)
            case PathMoved(peer=peer, route=route) if peer in self._peers:
                self._peers[peer].network = _network(route)
            case PeerDown(peer=peer):
                self._peers.pop(peer, None)
                return self._end(peer)
            case Received(peer=peer, message=RelayReserve() as request, hops=()):
                return self._reserve(peer, request, now)
            case Draining():
                return self._drain(now)
            case Tick():
                if self._drained_at is not None and now >= self._drained_at:
                    self._drained_at = None
                return [action for peer in self._expiry.pop_due(now) for action in self._end(peer)]
        return []

    def next_deadline(self) -> float | None:
        """When a session ends, or the time is over that clients have to move."""
        times = [at for at in (self._expiry.next(), self._drained_at) if at is not None]
        return min(times, default=None)

    def _reserve(self, peer: NodeId, request: RelayReserve, now: float) -> list[Action]:
        known = self._peers.get(peer)
        if known is None:
            return []
        if not known.requests.take(1, now):
            return self._refuse(peer, request, codes.BUSY, "too many requests")
        if not self._enabled:
            return self._refuse(peer, request, codes.NOT_SERVING, "this node does not relay")
        if self._draining:
            return self._refuse(peer, request, codes.GOING_AWAY, "the relay is stopping")
        if known.network is None:
            return self._refuse(peer, request, codes.NO_ROUTE, "a relay is used directly")
        grant = self._grants.get(peer)
        if grant is not None and grant.session == request.session:
            return [self._granted(peer, request, grant, now)]
        actions = self._end(peer)
        if len(self._grants) >= self._settings.max_clients:
            return [*actions, *self._refuse(peer, request, codes.QUOTA, "the relay has no more sessions")]
        if self._networks.get(known.network, 0) >= self._settings.max_network:
            return [*actions, *self._refuse(peer, request, codes.QUOTA, "no more sessions for this network")]
        session = self._rng.randbytes(_SESSION_SIZE)
        key = blake2b(self._identity.sign(_DOMAIN, session + peer), digest_size=32).digest()
        grant = self._grants[peer] = _Grant(session, key, known.network)
        self._networks[grant.network] = self._networks.get(grant.network, 0) + 1
        return [
            *actions,
            ServeClient(peer, session, key, self._settings.rate),
            self._granted(peer, request, grant, now),
            self._told("relay.granted", peer),
        ]

    def _granted(self, peer: NodeId, request: RelayReserve, grant: _Grant, now: float) -> Action:
        settings = self._settings
        self._expiry.set(peer, now + settings.lifetime)
        reply = RelayGrant(request.request, grant.session, grant.key, settings.lifetime, settings.rate)
        return _answer(peer, reply)

    def _refuse(self, peer: NodeId, request: RelayReserve, code: str, reason: str) -> list[Action]:
        fields = {"peer": peer, "code": code, "reason": reason}
        trace = Trace("relay.refused", fields, f"relay.refused {peer}")
        return [_answer(peer, RelayRefuse(request.request, code, reason)), trace]

    def _end(self, peer: NodeId) -> list[Action]:
        grant = self._grants.pop(peer, None)
        if grant is None:
            return []
        self._expiry.cancel(peer)
        self._networks[grant.network] -= 1
        if not self._networks[grant.network]:
            del self._networks[grant.network]
        return [EndClient(peer), self._told("relay.ended", peer)]

    def _told(self, name: str, peer: NodeId) -> Trace:
        return Trace(name, {"peer": peer}, f"connection.relay {peer}", {"sessions": len(self._grants)})

    def _drain(self, now: float) -> list[Action]:
        self._draining = True
        self._drained_at = now + self._settings.drain_time
        seconds = max(1, int(self._settings.drain_time))
        return [_answer(peer, RelayDrain(seconds)) for peer in self._grants]


def _answer(peer: NodeId, message: Message) -> SendTo:
    return SendTo(peer, Lane.CONTROL, message)


def _network(route: Route | None) -> bytes | None:
    return network_of(route.host) if isinstance(route, Address) else None
