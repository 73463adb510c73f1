"""What a node wants done: the closed union of outputs of the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from macula.core.address import Address
from macula.core.deliveries import Delivery
from macula.core.lanes import Lane
from macula.errors import MeshError
from macula.identity import NodeId
from macula.wire.messages import Message


@dataclass(frozen=True, slots=True)
class Dial:
    """Connect to whoever answers at one of `addresses`; if `expected` is set, only to that node.

    Only an address that a person configured may have a DNS name as its host.

    Answered by exactly one PeerConnected or DialFailed with the same `dial`, within `timeout` seconds.
    """

    dial: int
    addresses: tuple[Address, ...]
    expected: NodeId | None
    timeout: float


@dataclass(frozen=True, slots=True)
class SendMessage:
    """Send to a connected peer; to another it is dropped, since PeerLost is on its way."""

    peer: NodeId
    lane: Lane
    message: Message


@dataclass(frozen=True, slots=True)
class ClosePeer:
    """Send Disconnect with this code (of wire.codes) and reason, then close. Answered by PeerLost."""

    peer: NodeId
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class PauseReading:
    """Stop (or go on) opening the peer's window on a lane, so that it is held back after at most one window."""

    peer: NodeId
    lane: Lane
    paused: bool


@dataclass(frozen=True, slots=True)
class SendDatagram:
    """Send these bytes from the mesh's socket, beside all connections: STUN and probes. Lost without a word, as UDP."""

    target: Address
    data: bytes


@dataclass(frozen=True, slots=True)
class SetPath:
    """Send everything for a connected peer to `address`, where this node has made sure that the peer is."""

    peer: NodeId
    address: Address


@dataclass(frozen=True, slots=True)
class Completed:
    """Answers the command `id`: with its result, or with an error to be raised."""

    id: int
    result: Any = None
    error: MeshError | None = None


@dataclass(frozen=True, slots=True)
class Deliver:
    """Give something to the application; a call is answered by the command HandlerDone, an event by Consumed."""

    delivery: int
    content: Delivery


@dataclass(frozen=True, slots=True)
class CancelDelivery:
    """What was delivered is no longer wanted: stop its handler. Still answered by Consumed or HandlerDone."""

    delivery: int


@dataclass(frozen=True, slots=True)
class Pin:
    """Remember, across restarts, which node answered at a configured address."""

    address: Address
    peer: NodeId


@dataclass(frozen=True, slots=True)
class Trace:
    """Something worth logging or counting. `name` is dotted; fields are plain values; `limit` names what is logged only
    so often in a minute (None: always): what remote nodes can cause at will."""

    name: str
    fields: Mapping[str, object]
    limit: str | None = None


TransportEffect = Dial | SendMessage | ClosePeer | PauseReading | SendDatagram | SetPath
"""What the transport carries out; the rest is the runtime's."""

Effect = TransportEffect | Completed | Deliver | CancelDelivery | Pin | Trace
