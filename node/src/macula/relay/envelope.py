"""Sealed envelopes: what forwarders carry and can neither read nor alter.

The payload of an envelope is HPKE (RFC 9180, base mode, X25519 / HKDF-SHA256 / ChaCha20-Poly1305) for the key in the
destination's peer record, around the MessagePack array `[source's peer record, frame of the message, signature]`.
HPKE's `info` and the signature both cover envelope id, source, destination, max_hops and realm; the signature, by the
source's identity, covers the frame too, since HPKE's base mode does not say who sealed. `hop_count` and `visited`
change on the way, so they are the forwarders' word: good for stopping and for people, never for trust.
"""

from __future__ import annotations

from typing import NamedTuple

import msgpack
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from macula.core.lanes import Lane
from macula.core.peer_record import PeerInfo, open_peer
from macula.errors import ProtocolError
from macula.identity import Identity, NodeId, verify
from macula.wire import Decoder, codes, encode
from macula.wire.messages import Call, Cancel, Message, Publish, PublishAck, PubsubRoute, Reply, RpcRoute
from macula.wire.values import decode_value

DOMAIN = b"macula/2 envelope"
_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)

Envelope = RpcRoute | PubsubRoute
Sealable = Call | Reply | Cancel | Publish | PublishAck
"""What may be inside."""

_CARRIER: dict[type[Message], type[Envelope]] = {
    Call: RpcRoute,
    Reply: RpcRoute,
    Cancel: RpcRoute,
    Publish: PubsubRoute,
    PublishAck: PubsubRoute,
}


class Opened(NamedTuple):
    """What an envelope held: the verified peer record of its source, and the message."""

    info: PeerInfo
    message: Sealable


def lane_of(envelope: Envelope) -> Lane:
    """The lane that this kind of envelope travels on."""
    return Lane.RPC if type(envelope) is RpcRoute else Lane.PUBSUB


def seal(
    identity: Identity, own: PeerInfo, to: PeerInfo, message: Sealable, envelope_id: bytes, max_hops: int
) -> Envelope:
    """A new envelope from the node of `identity`, whose peer record is `own`.

    The ciphertext differs each time, its size does not. Raises ArgumentError if a field of the message breaks its
    limit, ProtocolError with code bad_message if the destination's box key is no X25519 key that can be used.
    """
    binding = _binding(envelope_id, own.node, to.node, max_hops, message.realm)
    frame = encode(message)
    inner: bytes = msgpack.packb([own.record.encoded, frame, identity.sign(DOMAIN, binding + frame)])
    try:
        payload = _SUITE.encrypt(inner, X25519PublicKey.from_public_bytes(to.box_public), info=DOMAIN + binding)
    except ValueError as error:
        raise ProtocolError(codes.BAD_MESSAGE, f"box key of {to.node.short} cannot be used: {error}") from error
    carrier = _CARRIER[type(message)]
    return carrier(message.realm, envelope_id, own.node, to.node, 0, max_hops, (own.node,), payload)


def unseal(identity: Identity, envelope: Envelope, wall: float) -> Opened:
    """What is in an envelope for the node of `identity`. `wall` is Unix time, for the expiry of the source's record.

    Raises ProtocolError if it was not sealed for this node, was altered, or holds what must not be inside.
    """
    source = NodeId(envelope.source_node_id)
    binding = _binding(envelope.envelope_id, source, envelope.destination_node_id, envelope.max_hops, envelope.realm)
    try:
        inner = _SUITE.decrypt(envelope.payload, identity.box_key, info=DOMAIN + binding)
    except (InvalidTag, ValueError) as error:
        raise ProtocolError(codes.BAD_MESSAGE, "envelope was altered or is sealed for another key") from error
    parts = decode_value(inner, depth=1, items=3)
    if type(parts) is not list or [type(part) for part in parts] != [bytes, bytes, bytes]:
        raise ProtocolError(codes.BAD_MESSAGE, "envelope must hold [record, frame, signature]")
    record, frame, signature = parts
    info = open_peer(record)
    if info.node != source:
        raise ProtocolError(codes.BAD_IDENTITY, f"envelope of {source.short} holds the record of {info.node.short}")
    if info.record.expires <= wall:
        raise ProtocolError(codes.EXPIRED, f"envelope of {source.short} holds an expired peer record")
    if not verify(source, DOMAIN, binding + frame, signature):
        raise ProtocolError(codes.BAD_SIGNATURE, f"envelope is not signed by {source.short}")
    return Opened(info, _read_frame(envelope, frame))


def _read_frame(envelope: Envelope, frame: bytes) -> Sealable:
    decoded = Decoder().feed(frame)
    if len(decoded) != 1 or decoded[0][1] != len(frame):
        raise ProtocolError(codes.BAD_FRAME, "envelope must hold exactly one frame")
    message, _ = decoded[0]
    if not isinstance(message, Sealable) or _CARRIER[type(message)] is not type(envelope):
        kinds = f"{type(envelope).__name__} holds a {type(message).__name__}"
        raise ProtocolError(codes.UNEXPECTED, f"{kinds}, which may not be inside")
    if message.realm != envelope.realm:
        raise ProtocolError(codes.WRONG_REALM, "envelope and its message name different realms")
    return message


def _binding(envelope_id: bytes, source: bytes, destination: bytes, max_hops: int, realm: str) -> bytes:
    binding: bytes = msgpack.packb([envelope_id, bytes(source), bytes(destination), max_hops, realm])
    return binding
