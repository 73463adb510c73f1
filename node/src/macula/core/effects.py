"""What a node wants done: the closed union of outputs of the engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from macula.core.address import Address
from macula.core.deliveries import Delivery
from macula.core.lanes import Lane
from macula.core.route import Route
from macula.errors import MeshError
from macula.identity import NodeId
from macula.wire.messages import Message


class Dial(Struct, frozen=True, gc=False):
    """Connect to whoever answers at one of `addresses`; if `expected` is set, only to that node, through `relays` too,
    which are tried at once while the addresses follow one by one. A relay without a session there is left out.

    Only an address that a person configured may have a DNS name as its host. `host` is that name or address, if it was
    one: in CA mode the peer's certificate must name it.

    Answered by exactly one PeerConnected or DialFailed with the same `dial`, within `timeout` seconds.
    """

    dial: int
    addresses: tuple[Address, ...]
    expected: NodeId | None
    timeout: float
    relays: tuple[NodeId, ...] = ()
    host: str = ""


class SendMessage(Struct, frozen=True, gc=False):
    """Send to a connected peer; to another it is dropped, since PeerLost is on its way. `compressed`: the peer
    understands compressed frames."""

    peer: NodeId
    lane: Lane
    message: Message
    compressed: bool = False


class Multicast(Struct, frozen=True, gc=False):
    """As SendMessage, the same to several peers: it is encoded once."""

    peers: tuple[NodeId, ...]
    lane: Lane
    message: Message
    compressed: bool = False


class ClosePeer(Struct, frozen=True, gc=False):
    """Send Disconnect with this code (of wire.codes) and reason, then close. Answered by PeerLost."""

    peer: NodeId
    code: str
    reason: str


class PauseReading(Struct, frozen=True, gc=False):
    """Stop (or go on) opening the peer's window on a lane, so that it is held back after at most one window."""

    peer: NodeId
    lane: Lane
    paused: bool


class OpenSocket(Struct, frozen=True, gc=False):
    """Open one more UDP socket; answered by SocketOpened or SocketFailed with this number, which is above 0.

    Without a `host` it is bound where the mesh's own socket is; if that is a wildcard and there is a `toward`, to the
    address from which the system sends there. Port 0 takes a free one.
    """

    number: int
    port: int = 0
    host: str | None = None
    toward: Address | None = None


class CloseSocket(Struct, frozen=True, gc=False):
    """Close what OpenSocket opened. Not answered; harmless for a number that is not open."""

    number: int


class SendDatagram(Struct, frozen=True, gc=False):
    """Send these bytes from the mesh's socket (0) or an opened one, beside all connections: STUN and probes. Lost
    without a word, as UDP."""

    target: Address
    data: bytes
    socket: int = 0


class SendBeside(Struct, frozen=True, gc=False):
    """As SendDatagram, to another port of the host at which a connected peer has proven to be. Dropped for a peer that
    is not connected by UDP and directly."""

    peer: NodeId
    port: int
    data: bytes
    socket: int = 0


class SetPath(Struct, frozen=True, gc=False):
    """Send everything for a connected peer by `route`: to an address where this node has made sure that the peer is, or
    through a relay at which both have a session. Answered by PathMoved if that is another route than before."""

    peer: NodeId
    route: Route


class ServeClient(Struct, frozen=True, gc=False):
    """Relay for a connected peer from now on; replaces a session that it has. `key` are 32 bytes, `rate` is in bytes
    per second. Ignored for a peer that is itself connected through a relay."""

    client: NodeId
    session: bytes
    key: bytes
    rate: int


class EndClient(Struct, frozen=True, gc=False):
    """Relay for this peer no longer."""

    client: NodeId


class UseRelay(Struct, frozen=True, gc=False):
    """A connected relay has granted this session: be reached through it, and reach others."""

    relay: NodeId
    session: bytes
    key: bytes


class LeaveRelay(Struct, frozen=True, gc=False):
    """The session at this relay is over. Connections that go through it get no other route by this."""

    relay: NodeId


class Completed(Struct, frozen=True):
    """Answers the command `id`: with its result, or with an error to be raised."""

    id: int
    result: Any = None
    error: MeshError | None = None


class Deliver(Struct, frozen=True, gc=False):
    """Give something to the application; a call is answered by HandlerDone, an item of a streaming call by
    ItemTaken, an event by Consumed. The `delivery` of an event is its subscription."""

    delivery: int
    content: Delivery


class CancelDelivery(Struct, frozen=True, gc=False):
    """A call is no longer wanted: stop its handler. Still answered by HandlerDone."""

    delivery: int


class Pin(Struct, frozen=True, gc=False):
    """Remember, across restarts, which node answered at a configured address."""

    address: Address
    peer: NodeId


class Trace(Struct, frozen=True, gc=False):
    """Something worth logging or counting. `name` is dotted; `fields` are plain values and node ids that say what it is
    about, `measurements` are its numbers; `limit` names what is logged only so often in a minute (None: always): what
    remote nodes can cause at will. The application can listen to those that runtime.telemetry lists."""

    name: str
    fields: Mapping[str, object]
    limit: str | None = None
    measurements: Mapping[str, float] = field(default_factory=dict)


class CallTrace(Struct, frozen=True, gc=False):
    """What becomes of a call: telemetry of which there is so much that it is counted as it is, and made a Trace for who
    listens only. `name` is call.start, call.stop or call.handled; `duration` is in ms."""

    name: str
    procedure: str
    call_id: bytes
    peer: NodeId | None = None
    streams: bool = False
    local: bool = False
    """Whether this node provided it itself; of call.stop only."""
    code: str = "ok"
    duration: float = 0.0

    @property
    def trace(self) -> Trace:
        """The same, as others listen to it."""
        fields: dict[str, object] = {"procedure": self.procedure, "call": self.call_id.hex()}
        if self.name == "call.start":
            return Trace(self.name, fields)
        fields["peer"] = self.peer or ""
        if self.name == "call.stop":
            fields["local"] = self.local
        fields |= {"streams": self.streams, "code": self.code}
        return Trace(self.name, fields, measurements={"duration": self.duration})


EndpointEffect = (
    Dial
    | SendMessage
    | Multicast
    | ClosePeer
    | PauseReading
    | SendDatagram
    | SetPath
    | ServeClient
    | EndClient
    | UseRelay
    | LeaveRelay
)
"""What the QUIC endpoint carries out, which has no sockets."""

TransportEffect = EndpointEffect | OpenSocket | CloseSocket | SendBeside
"""What the transport carries out; the rest is the runtime's."""

Effect = TransportEffect | Completed | Deliver | CancelDelivery | Pin | Trace | CallTrace
