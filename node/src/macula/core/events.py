"""What happens to a node: the closed union of inputs of the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from macula.core.address import Address
from macula.core.lanes import Lane
from macula.core.route import Route
from macula.identity import NodeId
from macula.wire.messages import Message

if TYPE_CHECKING:
    from macula.core.commands import Command

UNREACHABLE = "unreachable"
"""Code of DialFailed: nobody answered, or none that could be used."""


class Tick(Struct, frozen=True, gc=False):
    """A deadline of Engine.next_deadline() has come. Harmless at any other time."""


class PeerConnected(Struct, frozen=True, gc=False):
    """The transport has a connection on which both sides proved their keys. `dial` is the Dial it answers, if any.

    For a peer that is connected already, `fresh` tells whether a new connection replaced the old one, which is gone, or
    the dial only led to the connection that there is.
    """

    peer: NodeId
    route: Route
    dial: int | None
    fresh: bool = True


class PeerLost(Struct, frozen=True, gc=False):
    """The connection is gone, by either side or by the network. What was sent may or may not have arrived."""

    peer: NodeId
    code: str
    reason: str


class PeerRefused(Struct, frozen=True, gc=False):
    """The transport closed a connection that broke the protocol before it was announced by PeerConnected: an inbound
    one, or one whose peer has no certificate that CA mode accepts. `who` is the node if it proved to be one, else the
    host that its packets came from."""

    who: NodeId | str
    code: str
    reason: str


class DialFailed(Struct, frozen=True, gc=False):
    """A Dial ended without a connection. `code` is wire.codes.BAD_IDENTITY if another node than the expected one
    answered, else UNREACHABLE: this node's own finding. `reason` may quote what a peer said."""

    dial: int
    code: str
    reason: str


class MessageReceived(Struct, frozen=True, gc=False):
    """A message came from a connected peer. `size` is that of its frame, in bytes."""

    peer: NodeId
    lane: Lane
    message: Message
    size: int


class DatagramReceived(Struct, frozen=True, gc=False):
    """A datagram came to the mesh's socket (0) or an opened one that is no QUIC packet: STUN (its first byte is 0 to
    3), or a probe of ours (0x20 to 0x2f). Anybody may have sent it, from an address that need not be theirs."""

    source: Address
    data: bytes
    socket: int = 0


class SocketOpened(Struct, frozen=True, gc=False):
    """A socket is open: the mesh's own (0), once at the start, or one that OpenSocket asked for. The host in `local`
    may be a wildcard."""

    number: int
    local: Address


class SocketFailed(Struct, frozen=True, gc=False):
    """The system did not open a socket that OpenSocket asked for."""

    number: int
    reason: str


class SendBlocked(Struct, frozen=True, gc=False):
    """The lane's credit is used up: what was sent will go out, but nothing more may be sent before SendReady."""

    peer: NodeId
    lane: Lane


class SendReady(Struct, frozen=True, gc=False):
    """The lane takes messages again."""

    peer: NodeId
    lane: Lane


class LaneSlowed(Struct, frozen=True, gc=False):
    """A peer sends more on a lane than that lane's rate: from now on it is read at that rate."""

    peer: NodeId
    lane: Lane


class PeerSuspect(Struct, frozen=True, gc=False):
    """Three probe time-outs passed without an acknowledgement (suspect), or one came again (not suspect)."""

    peer: NodeId
    suspect: bool


class PathMoved(Struct, frozen=True, gc=False):
    """What is sent to a connected peer goes by another route from now on: as SetPath asked, or because the peer itself
    has moved from one relay to another."""

    peer: NodeId
    route: Route


class Consumed(Struct, frozen=True, gc=False):
    """The application is done with the oldest `count` events that it has of a subscription."""

    subscription: int
    count: int = 1


class HandlerDone(Struct, frozen=True, gc=False):
    """The handler of a CallDelivery has ended: with an encoded result, or with an error code and reason."""

    delivery: int
    result: bytes = b""
    error: str = ""
    reason: str = ""


class CommandGiven(Struct, frozen=True, gc=False):
    """The application asks for something; answered by exactly one Completed with the same id."""

    id: int
    command: Command


Event = (
    Tick
    | PeerConnected
    | PeerLost
    | PeerRefused
    | DialFailed
    | MessageReceived
    | DatagramReceived
    | SocketOpened
    | SocketFailed
    | SendBlocked
    | SendReady
    | LaneSlowed
    | PeerSuspect
    | PathMoved
    | Consumed
    | HandlerDone
    | CommandGiven
)
