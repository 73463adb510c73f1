"""Every message of protocol version 2, as frozen dataclasses.

Type numbers and field names descend from Macula 0.17; what it had and we do not use stays free: 0x11 subscribe,
0x12 unsubscribe, 0x22 cast, 0x24/0x25 rpc_request/rpc_reply, 0x30-0x32 swim, 0x50-0x57 nat, 0x60 and above.
Limits stand in the annotations and are checked by the decoder and by the encoder.
"""

from __future__ import annotations

import typing
from dataclasses import dataclass
from typing import Annotated, ClassVar

from macula.identity import NodeId
from macula.wire.limits import U32, U63, Code, Items, Key, Name, Range, Record, Size, Text, Token
from macula.wire.streaming import StreamCall, StreamCredit, StreamEnd, StreamItem


@dataclass(frozen=True, slots=True)
class Hello:
    """First message both ways. `record` is the sender's signed peer record; realms ("*",) means any."""

    TYPE: ClassVar[int] = 0x01
    version_min: Annotated[int, Range(0, 255)]
    version_max: Annotated[int, Range(0, 255)]
    capabilities: Annotated[tuple[Name, ...], Items(32)]
    realms: Annotated[tuple[Name, ...], Items(64)]
    record: Record


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Last message: why the sender closes. `code` is one of wire.codes."""

    TYPE: ClassVar[int] = 0x02
    code: Code
    reason: Text


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks for a Pong with the same request number."""

    TYPE: ClassVar[int] = 0x03
    request: U32


@dataclass(frozen=True, slots=True)
class Pong:
    """Answers a Ping."""

    TYPE: ClassVar[int] = 0x04
    request: U32


@dataclass(frozen=True, slots=True)
class Publish:
    """One event for one subscriber node. `payload` is an encoded application value.

    `sequence` counts the publisher's events on this topic within `epoch`; no event below `floor` will come (again).
    """

    TYPE: ClassVar[int] = 0x10
    realm: Name
    topic: Name
    payload: bytes
    qos: Annotated[int, Range(0, 1)]
    epoch: U63
    sequence: U63
    floor: U63


@dataclass(frozen=True, slots=True)
class PublishAck:
    """Answers a QoS 1 Publish; `status` is one of wire.codes."""

    TYPE: ClassVar[int] = 0x14
    realm: Name
    topic: Name
    epoch: U63
    sequence: U63
    status: Code


@dataclass(frozen=True, slots=True)
class Call:
    """Asks a provider to run a procedure. `args` is an encoded value, `timeout_ms` what is left of its time."""

    TYPE: ClassVar[int] = 0x20
    realm: Name
    call_id: Token
    procedure: Name
    args: bytes
    timeout_ms: U32


@dataclass(frozen=True, slots=True)
class Reply:
    """Ends a call: `result` is an encoded value if `error` is empty, else `error` is a code of a CallError."""

    TYPE: ClassVar[int] = 0x21
    realm: Name
    call_id: Token
    result: bytes
    error: Annotated[str, Size(0, 32)]
    reason: Text


@dataclass(frozen=True, slots=True)
class Cancel:
    """The caller no longer wants this call."""

    TYPE: ClassVar[int] = 0x26
    realm: Name
    call_id: Token


@dataclass(frozen=True, slots=True)
class _Route:
    realm: Name
    envelope_id: Token
    source_node_id: NodeId
    destination_node_id: NodeId
    hop_count: Annotated[int, Range(0, 64)]
    max_hops: Annotated[int, Range(0, 64)]
    visited: Annotated[tuple[NodeId, ...], Items(64)]
    payload: bytes


@dataclass(frozen=True, slots=True)
class RpcRoute(_Route):
    """A sealed RPC message on its way through connected peers; `visited` are the nodes it passed, source first."""

    TYPE: ClassVar[int] = 0x23


@dataclass(frozen=True, slots=True)
class PubsubRoute(_Route):
    """A sealed pub/sub message on its way through connected peers."""

    TYPE: ClassVar[int] = 0x13


@dataclass(frozen=True, slots=True)
class RouteError:
    """An envelope could not go on; goes back the way the envelope came: `path` is what is left of it, source first."""

    TYPE: ClassVar[int] = 0x27
    realm: Name
    envelope_id: Token
    code: Code
    path: Annotated[tuple[NodeId, ...], Items(64)]


@dataclass(frozen=True, slots=True)
class FindNode:
    """Asks for the k contacts closest to a position in the key space."""

    TYPE: ClassVar[int] = 0x40
    realm: Name
    request: U32
    target: Key


@dataclass(frozen=True, slots=True)
class FindNodeReply:
    """Signed peer records, closest first."""

    TYPE: ClassVar[int] = 0x41
    request: U32
    nodes: Annotated[tuple[Record, ...], Items(32)]


@dataclass(frozen=True, slots=True)
class Store:
    """Asks to keep signed records."""

    TYPE: ClassVar[int] = 0x42
    realm: Name
    request: U32
    records: Annotated[tuple[Record, ...], Items(64)]


@dataclass(frozen=True, slots=True)
class FindValue:
    """Asks for the records under a key, after the node id `after` in the order of node ids (empty: from the start)."""

    TYPE: ClassVar[int] = 0x43
    realm: Name
    request: U32
    key: Key
    after: Annotated[bytes, Size(0, 32)]


@dataclass(frozen=True, slots=True)
class FindValueReply:
    """Records under the key in the order of node ids, the closest contacts, and whether there is another page."""

    TYPE: ClassVar[int] = 0x44
    request: U32
    records: Annotated[tuple[Record, ...], Items(64)]
    nodes: Annotated[tuple[Record, ...], Items(32)]
    more: bool


@dataclass(frozen=True, slots=True)
class StoreReply:
    """One code of wire.codes for each record, in their order."""

    TYPE: ClassVar[int] = 0x45
    request: U32
    results: Annotated[tuple[Code, ...], Items(64)]


@dataclass(frozen=True, slots=True)
class Candidates:
    """Where the sender may be reached directly, and what it knows of its NAT (words of nat.profile, empty: unknown).

    `round` is chosen by the node with the smaller id; the other one repeats it in its answer, or asks for a new round
    with 0. `receiver` stands in probes for the sender, and both keys together make the keys of probes. `delta` is by
    how much the outside port grows, from `last_port` on (0: unknown). `fragile`: a probe that comes before the sender's
    own spoils its mapping. `udp` is false where none leaves. `held_ms` is how long the answer was held. For the
    encoding of `candidates` see nat.punching.candidates.
    """

    TYPE: ClassVar[int] = 0x58
    round: U32
    receiver: Annotated[bytes, Size(8, 8)]
    key: Key
    mapping: Annotated[str, Size(0, 16)]
    filtering: Annotated[str, Size(0, 16)]
    ports: Annotated[str, Size(0, 16)]
    delta: Annotated[int, Range(-1024, 1024)]
    last_port: Annotated[int, Range(0, 65_535)]
    fragile: bool
    udp: bool
    held_ms: Annotated[int, Range(0, 60_000)]
    candidates: Annotated[tuple[Annotated[bytes, Size(7, 19)], ...], Items(16)]


@dataclass(frozen=True, slots=True)
class Sync:
    """Both begin the round: the leader asks for it (`phase` 0), or asks that the other begins first and tells so (1),
    and is told (2)."""

    TYPE: ClassVar[int] = 0x59
    round: U32
    phase: Annotated[int, Range(0, 2)]


@dataclass(frozen=True, slots=True)
class ObserverAsk:
    """Asks a node that answers STUN what its other port is; and, if `port` is not 0, for a binding response of this
    transaction from its mesh port to that port of the host that the sender is connected from, and to no other host."""

    TYPE: ClassVar[int] = 0x5A
    request: U32
    transaction: Annotated[bytes, Size(12, 12)]
    port: Annotated[int, Range(0, 65_535)]


@dataclass(frozen=True, slots=True)
class ObserverTold:
    """Answers ObserverAsk: the other port on which STUN is answered (0: there is none), and whether it was sent. Who
    asked for nothing to be sent gets the signed peer records of other such nodes."""

    TYPE: ClassVar[int] = 0x5B
    request: U32
    other_port: Annotated[int, Range(0, 65_535)]
    sent: bool
    observers: Annotated[tuple[Record, ...], Items(4)]


@dataclass(frozen=True, slots=True)
class RelayReserve:
    """Asks a relay for a session, or to renew `session` (empty: for a new one)."""

    TYPE: ClassVar[int] = 0x5C
    request: U32
    session: Annotated[bytes, Size(0, 8)]


@dataclass(frozen=True, slots=True)
class RelayGrant:
    """Answers RelayReserve: the session, its key, its life in seconds, and how many bytes a second it takes."""

    TYPE: ClassVar[int] = 0x5D
    request: U32
    session: Annotated[bytes, Size(8, 8)]
    key: Key
    lifetime: Annotated[int, Range(1, 86_400)]
    rate: Annotated[int, Range(1, 2**53)]


@dataclass(frozen=True, slots=True)
class RelayRefuse:
    """Answers RelayReserve: why there is no session. `code` is one of wire.codes."""

    TYPE: ClassVar[int] = 0x5E
    request: U32
    code: Code
    reason: Text


@dataclass(frozen=True, slots=True)
class RelayDrain:
    """The relay stops in so many seconds, and grants nothing any more."""

    TYPE: ClassVar[int] = 0x5F
    seconds: Annotated[int, Range(0, 86_400)]


Message = (
    Hello
    | Disconnect
    | Ping
    | Pong
    | Publish
    | PublishAck
    | Call
    | Reply
    | Cancel
    | StreamCall
    | StreamItem
    | StreamEnd
    | StreamCredit
    | RpcRoute
    | PubsubRoute
    | RouteError
    | FindNode
    | FindNodeReply
    | Store
    | FindValue
    | FindValueReply
    | StoreReply
    | Candidates
    | Sync
    | ObserverAsk
    | ObserverTold
    | RelayReserve
    | RelayGrant
    | RelayRefuse
    | RelayDrain
)

MESSAGES: tuple[type[Message], ...] = typing.get_args(Message)
