"""What one service asks of the rest of its node, and what it is told.

Services never import each other. A service returns requests among its effects; the engine routes each to the service
or the connection table that carries it out, and routes the answer back by `token`. Each service draws its tokens from
an iterator of its own, none of which gives a number of another's, so a token names its asker.
"""

from __future__ import annotations

from msgspec import Struct

from macula.core.address import Address
from macula.core.lanes import Lane
from macula.core.peer_record import PeerInfo, RelayPlace
from macula.core.record import Kind, Record
from macula.core.route import Relayed
from macula.identity import NodeId
from macula.wire.messages import Hello, Message
from macula.wire.values import Value

# --- Requests to the connection table


class SendTo(Struct, frozen=True, gc=False):
    """Send a message to a peer, connecting first if need be.

    With a token, a message that was never handed to the transport is answered by SendFailed; one that was is not
    answered at all (PeerDown tells of what may be lost). `routed` says that the message answers one that came in a
    routed envelope, and goes back that way unless there is a connection. `sought`: if no address is known the peer's
    record is looked for, as it always is for calls and events. `needs` is a capability without which the peer would not
    understand it; then it does not go in an envelope either.
    """

    peer: NodeId
    lane: Lane
    message: Message
    token: int | None = None
    routed: bool = False
    sought: bool = False
    needs: str = ""


class SendToAll(Struct, frozen=True, gc=False):
    """As SendTo, one message to several peers. With a token, each that it was not handed over for is answered."""

    peers: tuple[NodeId, ...]
    lane: Lane
    message: Message
    token: int | None = None


class LearnPeer(Struct, frozen=True, gc=False):
    """A verified peer record was seen: keep it in the address book."""

    info: PeerInfo


class Hold(Struct, frozen=True, gc=False):
    """The connection to this peer is in use (counted): it is neither evicted nor closed as idle."""

    peer: NodeId


class Release(Struct, frozen=True, gc=False):
    """Undoes one Hold."""

    peer: NodeId


class LearnAddress(Struct, frozen=True, gc=False):
    """A node is said to be at this address: try it there if nothing better is known. Whoever answers has to prove that
    it is this node."""

    peer: NodeId
    address: Address


class Redial(Struct, frozen=True, gc=False):
    """No route leads to this peer by the connection that there is: it may have started anew. Make another."""

    peer: NodeId


class NameRelays(Struct, frozen=True, gc=False):
    """Others reach this node through these relays from now on: its own peer record has to say so."""

    relays: tuple[RelayPlace, ...]


class RefusePeer(Struct, frozen=True, gc=False):
    """The peer broke the protocol: close its connection with this code of wire.codes."""

    peer: NodeId
    code: str
    reason: str


# --- Requests to the DHT


class FindRecords(Struct, frozen=True, gc=False):
    """Find the live records of a name, from a cache filled at most `max_age` s ago. Answered by RecordsFound."""

    token: int
    realm: str
    kind: Kind
    name: str
    max_age: float


class FindPeer(Struct, frozen=True, gc=False):
    """Find a node's peer record. Answered by PeerFound."""

    token: int
    peer: NodeId


class PublishRecord(Struct, frozen=True, gc=False):
    """Keep a record of this node at the k closest nodes until it is withdrawn. Answered by RecordStored."""

    token: int
    realm: str
    kind: Kind
    name: str
    value: Value


class WithdrawRecord(Struct, frozen=True, gc=False):
    """Replace a record of this node by a tombstone. Answered by RecordStored."""

    token: int
    realm: str
    kind: Kind
    name: str


# --- Requests to the user of relays


class ReachVia(Struct, frozen=True, gc=False):
    """A peer can be reached through these relays: get a session at one of them. Answered by RelaysReady."""

    token: int
    peer: NodeId
    relays: tuple[RelayPlace, ...]


# --- Requests to the NAT service


class Punch(Struct, frozen=True, gc=False):
    """Whether a direct path to this peer is wanted: not for the connection that is made next, or from now on again."""

    peer: NodeId
    wanted: bool


# --- Requests to the envelope router


class Route(Struct, frozen=True, gc=False):
    """Seal a message for a node that cannot be connected to and send it through connected peers.

    With a token, answered by SendFailed if it could not leave or a forwarder says that it could not go on.
    """

    info: PeerInfo
    message: Message
    token: int | None = None


class Unsealed(Struct, frozen=True, gc=False):
    """An envelope for this node was opened: the engine hands the message on as Received from its sealed sender."""

    info: PeerInfo
    message: Message
    hops: tuple[NodeId, ...]


Request = (
    SendTo
    | SendToAll
    | LearnPeer
    | LearnAddress
    | NameRelays
    | Redial
    | Hold
    | Release
    | RefusePeer
    | FindRecords
    | FindPeer
    | PublishRecord
    | WithdrawRecord
    | ReachVia
    | Punch
    | Route
    | Unsealed
)


# --- What services are told


class PeerUp(Struct, frozen=True, gc=False):
    """A peer is connected and its hello was accepted. `info` is its verified peer record, `route` how it is reached
    until a PathMoved says otherwise, where that matters."""

    peer: NodeId
    hello: Hello
    info: PeerInfo
    inbound: bool
    route: Address | Relayed | None = None


class PeerDown(Struct, frozen=True, gc=False):
    """A peer that was up is gone; what was sent to it may be lost. Also told, before PeerUp, when a new connection
    replaces the old."""

    peer: NodeId
    code: str
    reason: str


class Received(Struct, frozen=True, gc=False):
    """A message from a peer that is up (`hops` empty), or from the sealed sender of an envelope (`hops` are its
    forwarders, in order). `realm` of the message, where it has one, was checked already."""

    peer: NodeId
    message: Message
    hops: tuple[NodeId, ...] = ()


class SendFailed(Struct, frozen=True, gc=False):
    """A SendTo or Route with this token failed. `code`: busy (queue full), disconnected (no connection could be made or
    it was lost before sending), unsupported (the peer lacks what the message needs), no_route or max_hops_exceeded (the
    envelope could not go on)."""

    token: int
    peer: NodeId
    code: str
    reason: str


class RecordsFound(Struct, frozen=True, gc=False):
    """Answers FindRecords: live, verified records without tombstones, in the order of node ids."""

    token: int
    records: tuple[Record, ...]


class PeerFound(Struct, frozen=True, gc=False):
    """Answers FindPeer."""

    token: int
    peer: NodeId
    info: PeerInfo | None


class RecordStored(Struct, frozen=True, gc=False):
    """Answers PublishRecord and WithdrawRecord: how many other nodes acknowledged."""

    token: int
    stored: int


class RelaysReady(Struct, frozen=True, gc=False):
    """Answers ReachVia: the relays at which this node has a session now; none if it got none in time."""

    token: int
    relays: tuple[NodeId, ...]


Answer = SendFailed | RecordsFound | PeerFound | RecordStored | RelaysReady
"""What a service returns, among its effects, to the asker that its `token` names."""


class SelfChanged(Struct, frozen=True, gc=False):
    """This node's own peer record is new or was renewed."""

    info: PeerInfo


class ClockMoved(Struct, frozen=True, gc=False):
    """The time that goes into records is another than it was: those of this node have to be signed anew."""


class Draining(Struct, frozen=True, gc=False):
    """The node is shutting down: refuse new work, withdraw records, finish what runs."""
