"""Signed records: what the DHT keeps.

A record travels as MessagePack `[body, signature]`. The signature covers the body's bytes as they were sent, never a
re-encoding, under a domain prefix. The key is derived, so a record cannot stand under a key that is not its own.
"""

from __future__ import annotations

import functools
import hashlib
from enum import StrEnum
from typing import Annotated

import msgpack
import msgspec
from msgspec import Meta, Struct

from macula.errors import ArgumentError, ProtocolError
from macula.identity import Identity, NodeId, verify
from macula.identity.names import is_name
from macula.wire import codes
from macula.wire.fields import U63, Node
from macula.wire.values import Value, decode_value, encode_value

DOMAIN = b"macula/2 record"
MAX_RECORD = 1024
"""Most bytes of an encoded record."""


class Kind(StrEnum):
    """What a record says of its node."""

    PEER = "peer"
    """Where the node can be reached; name is the node id's text, realm is empty."""
    RPC = "rpc"
    """It provides the procedure `name`."""
    TOPIC = "topic"
    """It subscribes patterns whose literal prefix is `name`."""


@functools.lru_cache(4096)
def record_key(realm: str, kind: Kind, name: str) -> bytes:
    """The 32-byte position of a name in the DHT: SHA-256 over length-prefixed realm, kind and name."""
    digest = hashlib.sha256()
    for part in (realm, kind.value, name):
        data = part.encode()
        digest.update(len(data).to_bytes(2, "big") + data)
    return digest.digest()


class Record(Struct, frozen=True, gc=False):
    """A verified record. `seq` is milliseconds of wall time, `not_before` Unix seconds, `ttl` seconds from there.

    A tombstone has `value` None. `encoded` is the record as it travels.
    """

    realm: str
    kind: Kind
    name: str
    node: NodeId
    seq: int
    not_before: int
    ttl: int
    value: Value
    encoded: bytes

    @property
    def key(self) -> bytes:
        """Where the record belongs."""
        return record_key(self.realm, self.kind, self.name)

    @property
    def tag(self) -> bytes:
        """Stands for this record, and no other version of it, where it is known."""
        return self.encoded[-8:]

    @property
    def expires(self) -> int:
        """Unix seconds after which the record is dead."""
        return self.not_before + self.ttl

    @property
    def is_tombstone(self) -> bool:
        """Whether the record only says that there is none any more."""
        return self.value is None


def sign_record(
    identity: Identity,
    realm: str,
    kind: Kind,
    name: str,
    value: Value,
    *,
    wall: float,
    ttl: int,
    seq: int | None = None,
) -> Record:
    """A new record of this node. `seq` defaults to `wall` in ms. Raises ArgumentError above MAX_RECORD bytes."""
    seq = int(wall * 1000) if seq is None else seq
    not_before = int(wall)
    body = encode_value("record", [realm, kind.value, name, identity.node_id, seq, not_before, ttl, value])
    encoded: bytes = msgpack.packb([body, identity.sign(DOMAIN, body)])
    if len(encoded) > MAX_RECORD:
        raise ArgumentError("record", f"must have at most {MAX_RECORD} bytes, has {len(encoded)}")
    return Record(realm, kind, name, identity.node_id, seq, not_before, ttl, value, encoded)


class _Sealed(Struct, array_like=True, forbid_unknown_fields=True):
    body: bytes
    signature: bytes


class _Body(Struct, array_like=True, forbid_unknown_fields=True):
    realm: str
    kind: Kind
    name: str
    node: Node
    seq: U63
    not_before: Annotated[int, Meta(ge=0, lt=2**53)]
    ttl: Annotated[int, Meta(gt=0, lt=2**31)]
    value: msgspec.Raw


_decode_sealed = msgspec.msgpack.Decoder(_Sealed).decode
_decode_body = msgspec.msgpack.Decoder(_Body).decode
_node = functools.lru_cache(4096)(NodeId)
"""Of all records of a node there is one id."""


def open_record(encoded: bytes) -> Record:
    """The record of these bytes, its signature verified; time and quota are the storing node's concern.

    Raises ProtocolError with code too_large, bad_frame, bad_message or bad_signature.
    """
    if len(encoded) > MAX_RECORD:
        raise ProtocolError(codes.TOO_LARGE, f"record must have at most {MAX_RECORD} bytes, has {len(encoded)}")
    try:
        sealed = _decode_sealed(encoded)
        body = _decode_body(sealed.body)
    except msgspec.ValidationError as error:
        raise ProtocolError(codes.BAD_MESSAGE, f"record is malformed: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(codes.BAD_FRAME, f"malformed MessagePack: {error}") from error
    realm, name = body.realm, body.name
    if (realm and not is_name(realm)) or not is_name(name):
        raise ProtocolError(codes.BAD_MESSAGE, "record realm or name is malformed")
    value = decode_value(body.value)
    node = _node(body.node)
    if not verify(node, DOMAIN, sealed.body, sealed.signature):
        raise ProtocolError(codes.BAD_SIGNATURE, f"record of {node.short} is not signed by it")
    return Record(realm, body.kind, name, node, body.seq, body.not_before, body.ttl, value, encoded)
