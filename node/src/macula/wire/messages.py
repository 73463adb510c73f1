"""Every message of protocol version 2, as frozen structs.

Type numbers and field names descend from Macula 0.17; what it had and we do not use stays free: 0x11 subscribe,
0x12 unsubscribe, 0x22 cast, 0x24/0x25 rpc_request/rpc_reply, 0x30-0x32 swim, 0x50-0x57 nat, 0x60 and above.
Limits stand in the annotations and are checked by the decoder and by the encoder.
"""

from __future__ import annotations

import typing
from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from macula.wire.fields import U32, U63, Code, Key, Known, Name, Node, Record, Text, Token, Traceparent
from macula.wire.streaming import StreamCall, StreamCredit, StreamEnd, StreamItem


class Hello(Struct, frozen=True, gc=False):
    """First message both ways. `record` is the sender's signed peer record; realms ("*",) means any."""

    TYPE: ClassVar[int] = 0x01
    version_min: Annotated[int, Meta(ge=0, le=255)]
    version_max: Annotated[int, Meta(ge=0, le=255)]
    capabilities: Annotated[tuple[Name, ...], Meta(max_length=32)]
    realms: Annotated[tuple[Name, ...], Meta(max_length=64)]
    record: Record


class Disconnect(Struct, frozen=True, gc=False):
    """Last message: why the sender closes. `code` is one of wire.codes."""

    TYPE: ClassVar[int] = 0x02
    code: Code
    reason: Text


class Ping(Struct, frozen=True, gc=False):
    """Asks for a Pong with the same request number."""

    TYPE: ClassVar[int] = 0x03
    request: U32


class Pong(Struct, frozen=True, gc=False):
    """Answers a Ping."""

    TYPE: ClassVar[int] = 0x04
    request: U32


class Publish(Struct, frozen=True, gc=False, omit_defaults=True):
    """One event for one subscriber node. `payload` is an encoded application value.

    `sequence` counts the publisher's events on this topic within `epoch`; no event below `floor` will come (again).
    """

    TYPE: ClassVar[int] = 0x10
    realm: Name
    topic: Name
    payload: bytes
    qos: Annotated[int, Meta(ge=0, le=1)]
    epoch: U63
    sequence: U63
    floor: U63
    traceparent: Traceparent = ""


class PublishAck(Struct, frozen=True, gc=False):
    """Answers a QoS 1 Publish; `status` is one of wire.codes."""

    TYPE: ClassVar[int] = 0x14
    realm: Name
    topic: Name
    epoch: U63
    sequence: U63
    status: Code


class Call(Struct, frozen=True, gc=False, omit_defaults=True):
    """Asks a provider to run a procedure. `args` is an encoded value, `timeout_ms` what is left of its time."""

    TYPE: ClassVar[int] = 0x20
    realm: Name
    call_id: Token
    procedure: Name
    args: bytes
    timeout_ms: U32
    traceparent: Traceparent = ""


class Reply(Struct, frozen=True, gc=False):
    """Ends a call: `result` is an encoded value if `error` is empty, else `error` is a code of a CallError."""

    TYPE: ClassVar[int] = 0x21
    realm: Name
    call_id: Token
    result: bytes
    error: Annotated[str, Meta(max_length=32)]
    reason: Text


class Cancel(Struct, frozen=True, gc=False):
    """The caller no longer wants this call."""

    TYPE: ClassVar[int] = 0x26
    realm: Name
    call_id: Token


class _Route(Struct, frozen=True, gc=False):
    realm: Name
    envelope_id: Token
    source_node_id: Node
    destination_node_id: Node
    hop_count: Annotated[int, Meta(ge=0, le=64)]
    max_hops: Annotated[int, Meta(ge=0, le=64)]
    visited: Annotated[tuple[Node, ...], Meta(max_length=64)]
    payload: bytes


class RpcRoute(_Route, frozen=True):
    """A sealed RPC message on its way through connected peers; `visited` are the nodes it passed, source first."""

    TYPE: ClassVar[int] = 0x23


class PubsubRoute(_Route, frozen=True):
    """A sealed pub/sub message on its way through connected peers."""

    TYPE: ClassVar[int] = 0x13


class RouteError(Struct, frozen=True, gc=False):
    """An envelope could not go on; goes back the way the envelope came: `path` is what is left of it, source first."""

    TYPE: ClassVar[int] = 0x27
    realm: Name
    envelope_id: Token
    code: Code
    path: Annotated[tuple[Node, ...], Meta(max_length=64)]


class FindNode(Struct, frozen=True, gc=False, omit_defaults=True):
    """Asks for the k contacts closest to a position in the key space. The peer records in `known` need not be sent."""

    TYPE: ClassVar[int] = 0x40
    realm: Name
    request: U32
    target: Key
    known: Known = ()


class FindNodeReply(Struct, frozen=True, gc=False, omit_defaults=True):
    """Signed peer records, closest first, without those that the asker knows: `known` says which."""

    TYPE: ClassVar[int] = 0x41
    request: U32
    nodes: Annotated[tuple[Record, ...], Meta(max_length=32)]
    known: Known = ()


class Store(Struct, frozen=True, gc=False):
    """Asks to keep signed records."""

    TYPE: ClassVar[int] = 0x42
    realm: Name
    request: U32
    records: Annotated[tuple[Record, ...], Meta(max_length=64)]


class FindValue(Struct, frozen=True, gc=False, omit_defaults=True):
    """Asks for the records under a key, after the node id `after` in the order of node ids (empty: from the start).
    The peer records in `known` need not be sent."""

    TYPE: ClassVar[int] = 0x43
    realm: Name
    request: U32
    key: Key
    after: Annotated[bytes, Meta(max_length=32)]
    known: Known = ()


class FindValueReply(Struct, frozen=True, gc=False, omit_defaults=True):
    """Records under the key in the order of node ids, the closest contacts as in FindNodeReply, and whether there is
    another page."""

    TYPE: ClassVar[int] = 0x44
    request: U32
    records: Annotated[tuple[Record, ...], Meta(max_length=64)]
    nodes: Annotated[tuple[Record, ...], Meta(max_length=32)]
    more: bool
    known: Known = ()


class StoreReply(Struct, frozen=True, gc=False):
    """One code of wire.codes for each record, in their order."""

    TYPE: ClassVar[int] = 0x45
    request: U32
    results: Annotated[tuple[Code, ...], Meta(max_length=64)]


class Candidates(Struct, frozen=True, gc=False):
    """Where the sender may be reached directly, and what it knows of its NAT (words of nat.profile, empty: unknown).

    `round` is chosen by the node with the smaller id; the other one repeats it in its answer, or asks for a new round
    with 0. `receiver` stands in probes for the sender, and both keys together make the keys of probes. `delta` is by
    how much the outside port grows, from `last_port` on (0: unknown). `fragile`: a probe that comes before the sender's
    own spoils its mapping. `udp` is false where none leaves. `held_ms` is how long the answer was held. For the
    encoding of `candidates` see nat.punching.candidates.
    """

    TYPE: ClassVar[int] = 0x58
    round: U32
    receiver: Annotated[bytes, Meta(min_length=8, max_length=8)]
    key: Key
    mapping: Annotated[str, Meta(max_length=16)]
    filtering: Annotated[str, Meta(max_length=16)]
    ports: Annotated[str, Meta(max_length=16)]
    delta: Annotated[int, Meta(ge=-1024, le=1024)]
    last_port: Annotated[int, Meta(ge=0, le=65_535)]
    fragile: bool
    udp: bool
    held_ms: Annotated[int, Meta(ge=0, le=60_000)]
    candidates: Annotated[tuple[Annotated[bytes, Meta(min_length=7, max_length=19)], ...], Meta(max_length=16)]


class Sync(Struct, frozen=True, gc=False):
    """Both begin the round: the leader asks for it (`phase` 0), or asks that the other begins first and tells so (1),
    and is told (2)."""

    TYPE: ClassVar[int] = 0x59
    round: U32
    phase: Annotated[int, Meta(ge=0, le=2)]


class ObserverAsk(Struct, frozen=True, gc=False):
    """Asks a node that answers STUN what its other port is; and, if `port` is not 0, for a binding response of this
    transaction from its mesh port to that port of the host that the sender is connected from, and to no other host."""

    TYPE: ClassVar[int] = 0x5A
    request: U32
    transaction: Annotated[bytes, Meta(min_length=12, max_length=12)]
    port: Annotated[int, Meta(ge=0, le=65_535)]


class ObserverTold(Struct, frozen=True, gc=False):
    """Answers ObserverAsk: the other port on which STUN is answered (0: there is none), and whether it was sent. Who
    asked for nothing to be sent gets the signed peer records of other such nodes."""

    TYPE: ClassVar[int] = 0x5B
    request: U32
    other_port: Annotated[int, Meta(ge=0, le=65_535)]
    sent: bool
    observers: Annotated[tuple[Record, ...], Meta(max_length=4)]


class RelayReserve(Struct, frozen=True, gc=False):
    """Asks a relay for a session, or to renew `session` (empty: for a new one)."""

    TYPE: ClassVar[int] = 0x5C
    request: U32
    session: Annotated[bytes, Meta(max_length=8)]


class RelayGrant(Struct, frozen=True, gc=False):
    """Answers RelayReserve: the session, its key, its life in seconds, and how many bytes a second it takes."""

    TYPE: ClassVar[int] = 0x5D
    request: U32
    session: Annotated[bytes, Meta(min_length=8, max_length=8)]
    key: Key
    lifetime: Annotated[int, Meta(ge=1, le=86_400)]
    rate: Annotated[int, Meta(ge=1, le=2**53)]


class RelayRefuse(Struct, frozen=True, gc=False):
    """Answers RelayReserve: why there is no session. `code` is one of wire.codes."""

    TYPE: ClassVar[int] = 0x5E
    request: U32
    code: Code
    reason: Text


class RelayDrain(Struct, frozen=True, gc=False):
    """The relay stops in so many seconds, and grants nothing any more."""

    TYPE: ClassVar[int] = 0x5F
    seconds: Annotated[int, Meta(ge=0, le=86_400)]


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
