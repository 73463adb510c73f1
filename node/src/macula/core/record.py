"""Signed records: what the DHT keeps.

A record travels as MessagePack `[body, signature]`. The signature covers the body's bytes as they were sent, never a
re-encoding, under a domain prefix. The key is derived, so a record cannot stand under a key that is not its own.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum

import msgpack
from msgspec import Struct

from macula.errors import ArgumentError, ProtocolError
from macula.identity import Identity, NodeId, verify
from macula.identity.names import is_name
from macula.wire import codes
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


def open_record(encoded: bytes) -> Record:
    """The record of these bytes, its signature verified; time and quota are the storing node's concern.

    Raises ProtocolError with code too_large, bad_frame, bad_message or bad_signature.
    """
    if len(encoded) > MAX_RECORD:
        raise ProtocolError(codes.TOO_LARGE, f"record must have at most {MAX_RECORD} bytes, has {len(encoded)}")
    outer = decode_value(encoded, depth=1, items=2)
    if type(outer) is not list or [type(part) for part in outer] != [bytes, bytes]:
        raise ProtocolError(codes.BAD_MESSAGE, "record must be [body, signature]")
    body, signature = outer
    record = _decode_body(body, encoded)
    if not verify(record.node, DOMAIN, body, signature):
        raise ProtocolError(codes.BAD_SIGNATURE, f"record of {record.node.short} is not signed by it")
    return record


def _decode_body(body: bytes, encoded: bytes) -> Record:
    fields = decode_value(body)
    shape = [str, str, str, bytes, int, int, int]
    if type(fields) is not list or len(fields) != 8 or [type(f) for f in fields[:7]] != shape:
        raise ProtocolError(
            codes.BAD_MESSAGE, "record body must be [realm, kind, name, node, seq, not_before, ttl, value]"
        )
    realm, kind, name, node, seq, not_before, ttl, value = fields
    if kind not in Kind.__members__.values():
        raise ProtocolError(codes.BAD_MESSAGE, f"record kind {kind!r} is unknown")
    if (realm and not is_name(realm)) or not is_name(name):
        raise ProtocolError(codes.BAD_MESSAGE, "record realm or name is malformed")
    if len(node) != 32 or not (0 <= seq < 2**63 and 0 <= not_before < 2**53 and 0 < ttl < 2**31):
        raise ProtocolError(codes.BAD_MESSAGE, "record node, seq, not_before or ttl is out of range")
    return Record(realm, Kind(kind), name, NodeId(node), seq, not_before, ttl, value, encoded)
