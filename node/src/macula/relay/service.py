"""The envelope router: sends, forwards and opens routed envelopes.

Where two nodes cannot connect, a sealed envelope (relay.envelope) goes through connected peers. Each node gives it to
its destination if that is connected, else to the one connected peer that forwards, serves the realm, was not visited
and stands closest to the destination in the DHT's key space (XOR distance of NodeId.position, as in Kademlia).

A hop is one forwarding: a link that an envelope traverses away from a node which is not its source. `hop_count` counts
them: it leaves the source as 0, each forwarder adds one before it sends the envelope on, and a forwarder that would
have to send it with more than `max_hops` refuses. With the default of 10, in a line of nodes n0 - n1 - … - n12:

- n0 to n1 is 0 hops, n0 to n2 is 1 hop (by n1), n0 to n11 is 10 hops (by n1 to n10) and arrives;
- n0 to n12 would be 11: n11 gets it with hop_count 10 and refuses the eleventh hop with max_hops_exceeded.

A forwarder never holds on to an envelope, never sends one twice and sends at most one message for each that it gets:
the envelope on, or a RouteError back. A RouteError counts only if it comes from the node that the envelope was given
to, and goes back the way that each node remembers, not the way it names.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from macula.core.effects import Trace
from macula.core.events import PeerSuspect
from macula.core.lanes import Lane
from macula.core.limits import Limit, met
from macula.core.peer_record import PeerInfo
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
from macula.core.service import Action, ServiceEvent
from macula.errors import MeshError, ProtocolError
from macula.identity import Identity, NodeId
from macula.identity.realms import serves
from macula.relay.bounds import Recent
from macula.relay.envelope import Envelope, Sealable, lane_of, seal, unseal
from macula.relay.neighbours import Neighbours
from macula.relay.settings import RouteSettings
from macula.wire import codes
from macula.wire.messages import PubsubRoute, RouteError, RpcRoute

_ROUTE_ERRORS = (codes.NO_ROUTE, codes.MAX_HOPS_EXCEEDED, codes.BUSY, codes.TOO_LARGE)


class _Sent(Struct, frozen=True, gc=False):
    """An envelope of this node, and who asked for it."""

    token: int
    destination: NodeId
    next_hop: NodeId


class _Forwarded(Struct, frozen=True, gc=False):
    """An envelope of another node. `next_hop` is None once an error went back."""

    realm: str
    lane: Lane
    visited: tuple[NodeId, ...]
    next_hop: NodeId | None


class EnvelopeRouter:
    """The service that carries out Route, and forwards and opens the envelopes that peers send.

    `realms` are those that this node serves, `forwards` whether it passes on envelopes of others. Only the ciphertext
    (never its size) comes from the operating system's randomness; everything else follows from `rng` and the events.
    """

    def __init__(
        self,
        settings: RouteSettings,
        identity: Identity,
        realms: tuple[str, ...],
        forwards: bool,
        rng: random.Random,
        tokens: Iterator[int],
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._self = identity.node_id
        self._realms = realms
        self._forwards = forwards
        self._rng = rng
        self._tokens = tokens
        self._own: PeerInfo | None = None
        self._neighbours = Neighbours(settings)
        remember = (settings.remembered, settings.memory)
        self._sent: Recent[bytes, _Sent] = Recent(*remember)
        self._forwarded: Recent[bytes, _Forwarded] = Recent(*remember)
        self._opened: Recent[bytes, bool] = Recent(*remember)
        self._sending: Recent[int, bytes] = Recent(*remember)

    def handle(self, event: ServiceEvent, now: float, wall: float) -> list[Action]:
        """See core.service. Never raises: what a Route asks for and cannot be done is answered by SendFailed."""
        match event:
            case PeerUp():
                self._neighbours.add(event, now)
            case PeerDown(peer=peer):
                self._neighbours.remove(peer)
            case PeerSuspect(peer=peer, suspect=suspect):
                self._neighbours.set_suspect(peer, suspect)
            case SelfChanged(info=info):
                self._own = info
            case Route():
                return self._route(event, now)
            case SendFailed(token=token, code=code, reason=reason):
                envelope_id = self._sending.pop(token, now)
                return [] if envelope_id is None else self._go_back(envelope_id, code, reason, now)
            case Received(peer=peer, message=RpcRoute() | PubsubRoute() as envelope, hops=()):
                return self._receive(peer, envelope, now, wall) if peer in self._neighbours else []
            case Received(peer=peer, message=RouteError() as error, hops=()):
                return self._receive_error(peer, error, now)
        return []

    def next_deadline(self) -> float | None:
        """Always None: what this service remembers is forgotten as new things come."""
        return None

    # --- At the source

    def _route(self, route: Route, now: float) -> list[Action]:
        destination, message, token = route.info.node, route.message, route.token

        def failed(code: str, reason: str) -> list[Action]:
            return [] if token is None else [SendFailed(token, destination, code, reason)]

        if not isinstance(message, Sealable):
            return failed(codes.NO_ROUTE, f"a {type(message).__name__} may not travel in an envelope")
        if self._own is None:
            return failed(codes.NO_ROUTE, "this node has no peer record yet")
        next_hop = self._neighbours.next_hop(destination, message.realm, (self._self,))
        if destination == self._self or next_hop is None:
            return failed(codes.NO_ROUTE, f"no connected peer can forward to {destination.short}")
        envelope_id = self._rng.randbytes(16)
        try:
            envelope = seal(self._identity, self._own, route.info, message, envelope_id, self._settings.max_hops)
        except MeshError as error:
            return failed(codes.NO_ROUTE, str(error))
        if len(envelope.payload) > self._settings.max_payload:
            most = self._settings.max_payload
            return failed(codes.TOO_LARGE, f"sealed payload must have at most {most} bytes")
        if token is not None:
            self._sent.put(envelope_id, _Sent(token, destination, next_hop), now)
        return [self._send(next_hop, envelope, now)]

    # --- On the way

    def _receive(self, peer: NodeId, envelope: Envelope, now: float, wall: float) -> list[Action]:
        fault = self._fault(peer, envelope)
        if fault is not None:
            return [RefusePeer(peer, codes.BAD_MESSAGE, f"{type(envelope).__name__}: {fault}")]
        if not serves(self._realms, envelope.realm) or not self._neighbours.serves(peer, envelope.realm):
            return [RefusePeer(peer, codes.WRONG_REALM, f"realm {envelope.realm!r} is not served on both sides")]
        if len(envelope.payload) > self._settings.max_payload:
            return self._refuse(peer, envelope, codes.TOO_LARGE)
        if not self._neighbours.take(peer, len(envelope.payload), now):
            return [*self._refuse(peer, envelope, codes.BUSY), met(Limit.ENVELOPES, peer)]
        if envelope.destination_node_id == self._self:
            return self._open(peer, envelope, now, wall)
        return self._forward(peer, envelope, now)

    def _fault(self, peer: NodeId, envelope: Envelope) -> str | None:
        """What an honest forwarder would not have sent, since it checks the same."""
        visited = envelope.visited
        if not visited or visited[-1] != peer:
            return "the last of visited must be its sender"
        if visited[0] != envelope.source_node_id:
            return "the first of visited must be its source"
        if len(visited) != envelope.hop_count + 1:
            return f"hop_count is {envelope.hop_count} with {len(visited)} visited nodes"
        if envelope.hop_count > envelope.max_hops:
            return f"hop_count is {envelope.hop_count}, above max_hops {envelope.max_hops}"
        if len({*visited, envelope.destination_node_id}) != len(visited) + 1:
            return "visited nodes and destination must differ"
        if self._self in visited:
            return "came back to a node that it visited"
        return None

    def _forward(self, peer: NodeId, envelope: Envelope, now: float) -> list[Action]:
        if not self._forwards:
            return self._refuse(peer, envelope, codes.NO_ROUTE)
        envelope_id, destination = envelope.envelope_id, NodeId(envelope.destination_node_id)
        visited = tuple([NodeId(node) for node in envelope.visited])
        if self._forwarded.get(envelope_id, now) or self._sent.get(envelope_id, now):
            return [_dropped(peer, "the envelope was forwarded before")]
        if envelope.hop_count + 1 > min(envelope.max_hops, self._settings.max_hops):
            return [*self._refuse(peer, envelope, codes.MAX_HOPS_EXCEEDED), met(Limit.ENVELOPES, peer)]
        next_hop = self._neighbours.next_hop(destination, envelope.realm, visited)
        if next_hop is None:
            return self._refuse(peer, envelope, codes.NO_ROUTE)
        passed = _Forwarded(envelope.realm, lane_of(envelope), visited, next_hop)
        self._forwarded.put(envelope_id, passed, now)
        onward = replace(envelope, hop_count=envelope.hop_count + 1, visited=(*visited, self._self))
        return [self._send(next_hop, onward, now)]

    def _send(self, next_hop: NodeId, envelope: Envelope, now: float) -> SendTo:
        token = next(self._tokens)
        self._sending.put(token, envelope.envelope_id, now)
        return SendTo(next_hop, lane_of(envelope), envelope, token=token)

    # --- At the destination

    def _open(self, peer: NodeId, envelope: Envelope, now: float, wall: float) -> list[Action]:
        if self._opened.get(envelope.envelope_id, now):
            return [_dropped(peer, "the envelope was opened before")]
        try:
            info, message = unseal(self._identity, envelope, wall)
        except ProtocolError as error:
            return [_dropped(peer, str(error))]
        self._opened.put(envelope.envelope_id, True, now)
        return [Unsealed(info, message, tuple([NodeId(node) for node in envelope.visited[1:]]))]

    # --- The way back

    def _refuse(self, peer: NodeId, envelope: Envelope, code: str) -> list[Action]:
        error = RouteError(envelope.realm, envelope.envelope_id, code, envelope.visited[:-1])
        fields = {"peer": peer.short, "destination": NodeId(envelope.destination_node_id).short, "code": code}
        return [SendTo(peer, lane_of(envelope), error), Trace("route.refused", fields, f"route.refused {peer.short}")]

    def _receive_error(self, peer: NodeId, error: RouteError, now: float) -> list[Action]:
        sent = self._sent.get(error.envelope_id, now)
        passed = self._forwarded.get(error.envelope_id, now)
        if peer not in (sent and sent.next_hop, passed and passed.next_hop):
            return [_dropped(peer, "route error from a node that was not given the envelope")]
        code = error.code if error.code in _ROUTE_ERRORS else codes.NO_ROUTE
        return self._go_back(error.envelope_id, code, f"refused by {peer.short} or a node after it", now)

    def _go_back(self, envelope_id: bytes, code: str, reason: str, now: float) -> list[Action]:
        sent = self._sent.pop(envelope_id, now)
        if sent is not None:
            return [SendFailed(sent.token, sent.destination, code, reason)]
        passed = self._forwarded.get(envelope_id, now)
        if passed is None or passed.next_hop is None:
            return []
        self._forwarded.put(envelope_id, replace(passed, next_hop=None), now)
        *path, previous = passed.visited
        if previous not in self._neighbours:
            return [Trace("route.error_lost", {"peer": previous.short, "code": code}, "route.error_lost")]
        code = code if code in _ROUTE_ERRORS else codes.NO_ROUTE
        return [SendTo(previous, passed.lane, RouteError(passed.realm, envelope_id, code, tuple(path)))]


def _dropped(peer: NodeId, reason: str) -> Trace:
    return Trace("route.dropped", {"peer": peer.short, "reason": reason}, f"route.dropped {peer.short}")
