"""What the application can ask of a node. Each is answered by one Completed whose result is named here."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from macula.core.address import Address
from macula.core.record import Kind
from macula.identity import NodeId
from macula.wire.messages import Message


class Strategy(StrEnum):
    """How a provider is chosen among several."""

    ROUND_ROBIN = "round_robin"
    RANDOM = "random"
    LEAST_LATENCY = "least_latency"


class Advertise(Struct, frozen=True, gc=False):
    """Offer a procedure. Completed when its record is stored (None)."""

    procedure: str
    idempotent: bool


class Unadvertise(Struct, frozen=True, gc=False):
    """Withdraw a procedure (None)."""

    procedure: str


class CallProcedure(Struct, frozen=True, gc=False):
    """Run a procedure at one of its providers, or at `target` only. Result: CallResult; `timeout` in seconds.

    If it `streams`, each result is a StreamDelivery, completion comes after the last, and `timeout` is how long the
    provider may take for the next step; if it `sends`, too, arguments follow by SendItem and EndItems.

    `traceparent` (W3C) goes to the provider, if it can be told.
    """

    procedure: str
    args: bytes
    timeout: float
    strategy: Strategy
    target: NodeId | None = None
    streams: bool = False
    sends: bool = False
    traceparent: str = ""


class CancelCall(Struct, frozen=True, gc=False):
    """Give up the CallProcedure command with this id: it ends as Cancelled, its handler is cancelled (None)."""

    command: int


class SendItem(Struct, frozen=True, gc=False):
    """Send the next item of a streaming call: a result of the CallDelivery `stream` (`answer`), or an argument of the
    command `stream`. Completed (None) when the receiver has given credit for it and the connection has room, so one at
    a time; with Cancelled when the call is over."""

    stream: int
    answer: bool
    payload: bytes


class EndItems(Struct, frozen=True, gc=False):
    """No more arguments follow for the streaming call of the command `stream` (None)."""

    stream: int


class ItemTaken(Struct, frozen=True, gc=False):
    """The application is done with the oldest StreamDelivery of this streaming call (None)."""

    stream: int
    answer: bool


class PublishEvent(Struct, frozen=True, gc=False):
    """Send an event to every subscriber. Result: PublishResult, for QoS 1 when all answered or `timeout` s passed.
    `traceparent` (W3C) goes to those subscribers that can be told."""

    topic: str
    payload: bytes
    qos: int
    timeout: float
    traceparent: str = ""


class Subscribe(Struct, frozen=True, gc=False):
    """Receive events whose topic matches, from when the record is stored. Result: the subscription's number.

    That number is the id of this command, so that the application can be ready before the first event.

    At most `capacity` events wait for the application. With `ack_consumed`, QoS 1 events are acknowledged when the
    application consumed them instead of when they were queued.
    """

    pattern: str
    capacity: int
    ack_consumed: bool


class Unsubscribe(Struct, frozen=True, gc=False):
    """End a subscription (None)."""

    subscription: int


class DhtStats(Struct, frozen=True, gc=False):
    """Result: core.results.DhtStatistics."""


class DhtLookup(Struct, frozen=True, gc=False):
    """Everything the DHT knows of a name. Result: core.results.LookupResult. `realm` is empty for Kind.PEER."""

    realm: str
    kind: Kind
    name: str


class NatDetails(Struct, frozen=True, gc=False):
    """What this node is behind. Result: nat.info.NatInfo, after the measurement that is under way or, with `refresh`,
    after a new one."""

    refresh: bool


class ExplainPeer(Struct, frozen=True, gc=False):
    """How a peer is reached, and why so. Result: nat.explanation.Explanation, None if it is not connected or does not
    look for direct paths."""

    peer: NodeId


class Reach(Struct, frozen=True, gc=False):
    """How to reach a node that is not connected, before its own record is asked: at `endpoint`, then through the relay
    at `relay`. Without `punch` a connection through a relay stays there, until this node wants the peer for more."""

    endpoint: Address | None = None
    relay: Address | None = None
    punch: bool = True


class SendRaw(Struct, frozen=True, gc=False):
    """Send one message to a node or to an address, dialing if need be (None, once the transport has taken it). `reach`
    counts for a node only."""

    target: NodeId | Address
    message: Message
    timeout: float
    reach: Reach = Reach()


class RequestRaw(Struct, frozen=True, gc=False):
    """As SendRaw, and wait for the message that answers it by its `request` or `call_id`. Result: that Message."""

    target: NodeId | Address
    message: Message
    timeout: float


class WaitReady(Struct, frozen=True, gc=False):
    """Completed (None) once the node is in the mesh; with PeerUnreachable if it is not after `timeout` s."""

    timeout: float


class Status(Struct, frozen=True, gc=False):
    """Result: core.results.NodeStatus."""


class Shutdown(Struct, frozen=True, gc=False):
    """Withdraw all records, take no new calls, finish running ones for at most `drain` s, close all peers (None)."""

    drain: float


Command = (
    Advertise
    | Unadvertise
    | CallProcedure
    | CancelCall
    | SendItem
    | EndItems
    | ItemTaken
    | PublishEvent
    | Subscribe
    | Unsubscribe
    | DhtStats
    | DhtLookup
    | NatDetails
    | ExplainPeer
    | SendRaw
    | RequestRaw
    | WaitReady
    | Status
    | Shutdown
)
