"""Peer records: where a node can be reached, signed by the node, so that nobody can aim traffic at a stranger."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

from msgspec import Struct

from macula.core.address import Address
from macula.core.record import Kind, Record, open_record, sign_record
from macula.errors import ArgumentError, ProtocolError
from macula.identity import Identity, NodeId
from macula.wire import codes
from macula.wire.values import Value

MAX_ADDRESSES = 8
MAX_RELAYS = 2
_MAX_REALMS = 16
_MAX_TEXT = 255


class RelayPlace(NamedTuple):
    """A relay at which a node has a session, and where that relay is."""

    node: NodeId
    address: Address


class PeerInfo(Struct, frozen=True, gc=False):
    """What a peer record says: where a node listens, whether it can be reached there, or through which relays, and the
    key to seal for it."""

    node: NodeId
    addresses: tuple[Address, ...]
    reachable: bool
    name: str
    mode: str
    realms: tuple[str, ...]
    box_public: bytes
    record: Record
    relays: tuple[RelayPlace, ...] = ()


def sign_peer(
    identity: Identity,
    *,
    addresses: tuple[Address, ...],
    reachable: bool,
    name: str,
    mode: str,
    realms: tuple[str, ...],
    wall: float,
    ttl: int,
    seq: int | None = None,
    relays: tuple[RelayPlace, ...] = (),
) -> PeerInfo:
    """This node's own peer record; at most MAX_ADDRESSES addresses and MAX_RELAYS relays are kept. `ttl` and `seq` as
    in sign_record, and so are the errors."""
    value: dict[str, Value] = {
        "addresses": [str(address) for address in addresses[:MAX_ADDRESSES]],
        "reachable": reachable,
        "name": name,
        "mode": mode,
        "realms": list(realms),
        "box": identity.box_public,
    }
    if relays:
        value["relays"] = [[bytes(relay.node), str(relay.address)] for relay in relays[:MAX_RELAYS]]
    record = sign_record(identity, "", Kind.PEER, str(identity.node_id), value, wall=wall, ttl=ttl, seq=seq)
    return read_peer(record)


@functools.lru_cache(512)
def open_peer(encoded: bytes) -> PeerInfo:
    """The peer record of these bytes, its signature verified. Raises ProtocolError.

    Who comes again shows what it showed before, and others name it by the same record: that is opened once.
    """
    return read_peer(open_record(encoded))


def clock_difference(record: Record, wall: float) -> float:
    """By how many seconds at least the clock that says `wall` is ahead of its node's, negative: behind; 0 if they may
    agree. Nodes renew their record at half of its ttl, and send it at any time until then."""
    age = wall - record.seq / 1000
    return min(age, 0.0) or max(0.0, age - record.ttl / 2)


def read_peer(record: Record) -> PeerInfo:
    """The contents of a verified peer record. Raises ProtocolError with code bad_message or bad_key."""
    if record.kind is not Kind.PEER or record.realm or record.name != str(record.node):
        raise ProtocolError(codes.BAD_KEY, "not a peer record of its own node")
    value = record.value
    if type(value) is not dict:
        raise ProtocolError(codes.BAD_MESSAGE, "peer record has no contents")
    box = value.get("box")
    if type(value.get("reachable")) is not bool or type(box) is not bytes or len(box) != 32:
        raise ProtocolError(codes.BAD_MESSAGE, "peer record has a malformed reachable or box")
    addresses = _texts("addresses", value.get("addresses"), MAX_ADDRESSES)
    realms = _texts("realms", value.get("realms"), _MAX_REALMS)
    (name, mode) = _texts("name or mode", [value.get("name"), value.get("mode")], 2)
    try:
        parsed = tuple(Address.parse(text) for text in addresses)
    except ArgumentError as error:
        raise ProtocolError(codes.BAD_MESSAGE, error.reason) from error
    relays = _relays(value.get("relays", []))
    return PeerInfo(record.node, parsed, value["reachable"], name, mode, realms, box, record, relays)


def _relays(value: Any) -> tuple[RelayPlace, ...]:
    if type(value) is not list or len(value) > MAX_RELAYS:
        raise ProtocolError(codes.BAD_MESSAGE, f"peer record's relays must be at most {MAX_RELAYS}")
    places = []
    for item in value:
        if type(item) is not list or [type(part) for part in item] != [bytes, str] or len(item[1]) > _MAX_TEXT:
            raise ProtocolError(codes.BAD_MESSAGE, "peer record's relays must be [node id, address]")
        try:
            places.append(RelayPlace(NodeId(item[0]), Address.parse(item[1])))
        except ArgumentError as error:
            raise ProtocolError(codes.BAD_MESSAGE, error.reason) from error
    return tuple(places)


def _texts(field: str, value: Any, most: int) -> tuple[str, ...]:
    if type(value) is not list or len(value) > most:
        raise ProtocolError(codes.BAD_MESSAGE, f"peer record's {field} must be at most {most} strings")
    if any(type(item) is not str or len(item) > _MAX_TEXT for item in value):
        raise ProtocolError(codes.BAD_MESSAGE, f"peer record's {field} must be strings of at most {_MAX_TEXT}")
    return tuple(value)
