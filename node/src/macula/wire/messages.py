"""Every message of protocol version 2, as frozen dataclasses.

Type numbers and field names descend from Macula 0.17; what it had and we do not use stays free: 0x11 subscribe,
0x12 unsubscribe, 0x22 cast, 0x24/0x25 rpc_request/rpc_reply, 0x30-0x32 swim, 0x50-0x5f nat and relay, 0x60 and above.
Limits stand in the annotations and are checked by the decoder and by the encoder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from macula.identity import NodeId
from macula.wire.limits import Items, Range, Size

Key = Annotated[bytes, Size(32, 32)]
Token = Annotated[bytes, Size(16, 16)]
Name = Annotated[str, Size(1, 255)]
Text = Annotated[str, Size(0, 1024)]
Code = Annotated[str, Size(1, 32)]
U32 = Annotated[int, Range(0, 2**32 - 1)]
U63 = Annotated[int, Range(0, 2**63 - 1)]
Record = Annotated[bytes, Size(1, 2048)]
"""An encoded signed record (core.record)."""


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
    | RpcRoute
    | PubsubRoute
    | RouteError
    | FindNode
    | FindNodeReply
    | Store
    | FindValue
    | FindValueReply
    | StoreReply
)

MESSAGES: tuple[type[Message], ...] = (
    Hello,
    Disconnect,
    Ping,
    Pong,
    Publish,
    PublishAck,
    Call,
    Reply,
    Cancel,
    RpcRoute,
    PubsubRoute,
    RouteError,
    FindNode,
    FindNodeReply,
    Store,
    FindValue,
    FindValueReply,
    StoreReply,
)
