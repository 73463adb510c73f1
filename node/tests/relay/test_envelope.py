"""Sealing: only the destination can open, nothing can be altered, nothing else may be inside."""

from __future__ import annotations

import random

import msgpack
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from msgspec.structs import replace

from macula.core.lanes import Lane
from macula.core.record import MAX_RECORD
from macula.errors import ArgumentError, ProtocolError
from macula.identity import Identity
from macula.identity.names import MAX_NAME
from macula.relay import envelope as sealed
from macula.relay.envelope import DOMAIN, Envelope, Sealable, lane_of, seal, unseal
from macula.relay.settings import MAX_SEALED, RouteSettings
from macula.wire import codes, encode
from macula.wire.header import MAX_FRAME
from macula.wire.messages import Call, Cancel, Message, Ping, Publish, PublishAck, PubsubRoute, Reply, RpcRoute
from macula.wire.values import MAX_VALUE

from .mesh import REALM, WALL, call, identity, peer_info

ID = bytes(range(16))
LONGEST = "x" * MAX_NAME
MESSAGES: list[Sealable] = [
    call(b"secret arguments"),
    Reply(REALM, bytes(16), b"secret result", "", ""),
    Cancel(REALM, bytes(16)),
    Publish(REALM, "io.test.temperature", b"secret event", 1, 1, 2, 0),
    PublishAck(REALM, "io.test.temperature", 1, 2, "accepted"),
]


def sealed_call(message: Sealable | None = None) -> Envelope:
    return seal(identity(0), peer_info(0), peer_info(2), message or call(b"secret arguments"), ID, 10)


def reseal(envelope: Envelope, inner: list[object]) -> Envelope:
    """The envelope with another content, sealed by somebody who knows the destination's public key."""
    info = DOMAIN + sealed._binding(
        envelope.envelope_id,
        envelope.source_node_id,
        envelope.destination_node_id,
        envelope.max_hops,
        envelope.realm,
    )
    key = X25519PublicKey.from_public_bytes(peer_info(2).box_public)
    return replace(envelope, payload=sealed._SUITE.encrypt(msgpack.packb(inner), key, info=info))


def signed(envelope: Envelope, frame: bytes, signer: Identity) -> list[object]:
    binding = sealed._binding(ID, envelope.source_node_id, envelope.destination_node_id, 10, envelope.realm)
    return [peer_info(0).record.encoded, frame, signer.sign(DOMAIN, binding + frame)]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
def test_the_destination_opens_what_the_source_sealed(message: Sealable) -> None:
    envelope = sealed_call(message)
    rpc = isinstance(message, Call | Reply | Cancel)
    assert type(envelope) is (RpcRoute if rpc else PubsubRoute)
    assert lane_of(envelope) is (Lane.RPC if rpc else Lane.PUBSUB)
    assert (envelope.hop_count, envelope.visited) == (0, (identity(0).node_id,))
    opened = unseal(identity(2), envelope, WALL)
    assert opened.message == message
    assert opened.info == peer_info(0)


def test_a_forwarder_cannot_read() -> None:
    envelope = sealed_call()
    for hidden in (b"secret", b"io.test.add", b"node-0", bytes(peer_info(0).record.encoded[:40])):
        assert hidden not in envelope.payload
    with pytest.raises(ProtocolError, match="altered or is sealed for another key"):
        unseal(identity(1), envelope, WALL)


def test_the_same_message_is_sealed_differently_each_time_with_the_same_size() -> None:
    first, second = sealed_call(), sealed_call()
    assert first.payload != second.payload
    assert len(first.payload) == len(second.payload)


@pytest.mark.parametrize(
    "change",
    [
        {"realm": "io.other"},
        {"envelope_id": bytes(16)},
        {"source_node_id": identity(1).node_id},
        {"destination_node_id": identity(1).node_id},
        {"max_hops": 11},
        {"payload": b""},
        {"payload": bytes(100)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_altering_a_field_is_detected(change: dict[str, object]) -> None:
    with pytest.raises(ProtocolError, match="altered"):
        unseal(identity(2), replace(sealed_call(), **change), WALL)


def test_altering_any_byte_of_the_payload_is_detected() -> None:
    envelope = sealed_call()
    for position in range(len(envelope.payload)):
        payload = bytearray(envelope.payload)
        payload[position] ^= 0x40
        with pytest.raises(ProtocolError):
            unseal(identity(2), replace(envelope, payload=bytes(payload)), WALL)


def test_turning_rpc_into_pubsub_is_detected() -> None:
    envelope = sealed_call()
    other = PubsubRoute(*(getattr(envelope, name) for name in RpcRoute.__struct_fields__))
    with pytest.raises(ProtocolError, match="PubsubRoute holds a Call"):
        unseal(identity(2), other, WALL)


def test_a_stranger_cannot_seal_in_the_name_of_a_source() -> None:
    envelope = sealed_call()
    frame = encode(call())
    assert unseal(identity(2), reseal(envelope, signed(envelope, frame, identity(0))), WALL).message == call()
    with pytest.raises(ProtocolError, match=codes.BAD_SIGNATURE):
        unseal(identity(2), reseal(envelope, signed(envelope, frame, identity(1))), WALL)


def test_a_record_of_another_node_is_refused() -> None:
    envelope = sealed_call()
    inner = signed(envelope, encode(call()), identity(0))
    inner[0] = peer_info(1).record.encoded
    with pytest.raises(ProtocolError, match=codes.BAD_IDENTITY):
        unseal(identity(2), reseal(envelope, inner), WALL)


def test_an_expired_record_is_refused() -> None:
    envelope = sealed_call()
    unseal(identity(2), envelope, WALL + 299)
    with pytest.raises(ProtocolError, match=codes.EXPIRED):
        unseal(identity(2), envelope, WALL + 300)


FRAMES: dict[str, tuple[bytes, str]] = {
    "not allowed inside": (encode(Ping(1)), "RpcRoute holds a Ping"),
    "an envelope inside": (encode(sealed_call()), "RpcRoute holds a RpcRoute"),
    "another realm": (encode(call(realm="io.other")), codes.WRONG_REALM),
    "two frames": (encode(call()) * 2, "exactly one frame"),
    "a piece of a frame": (encode(call())[:-1], "exactly one frame"),
    "nothing": (b"", "exactly one frame"),
    "a frame and more": (encode(call()) + b"\2", "exactly one frame"),
    "no frame": (bytes(64), "version is 0"),
}


@pytest.mark.parametrize("name", FRAMES)
def test_what_may_not_be_inside_is_refused(name: str) -> None:
    frame, reason = FRAMES[name]
    envelope = sealed_call()
    with pytest.raises(ProtocolError, match=reason):
        unseal(identity(2), reseal(envelope, signed(envelope, frame, identity(0))), WALL)


@pytest.mark.parametrize(
    "inner", [[], [b"", b"", b""], [b"", b""], [1, 2, 3], [b"a", b"b", b"c", b"d"], [[b""], b"", b""]], ids=repr
)
def test_malformed_contents_are_refused(inner: list[object]) -> None:
    with pytest.raises(ProtocolError):
        unseal(identity(2), reseal(sealed_call(), inner), WALL)


def test_random_payloads_are_refused() -> None:
    rng = random.Random(1)
    envelope = sealed_call()
    for _ in range(200):
        with pytest.raises(ProtocolError):
            unseal(identity(2), replace(envelope, payload=rng.randbytes(rng.randrange(300))), WALL)


def test_a_box_key_that_cannot_be_used_is_refused() -> None:
    # The all-zero point gives an all-zero shared secret, which RFC 9180 section 7.1.4 forbids.
    to = replace(peer_info(2), box_public=bytes(32))
    with pytest.raises(ProtocolError, match="box key"):
        seal(identity(0), peer_info(0), to, call(), ID, 10)


def test_a_message_that_breaks_its_limits_is_an_argument_error() -> None:
    wrong: Message = replace(call(), procedure="")
    with pytest.raises(ArgumentError, match=r"message: field Call\.procedure"):
        seal(identity(0), peer_info(0), peer_info(2), wrong, ID, 10)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "message",
    [
        Call(LONGEST, bytes(16), LONGEST, bytes(MAX_VALUE), 2**32 - 1),
        Reply(LONGEST, bytes(16), bytes(MAX_VALUE), "", ""),
        Publish(LONGEST, LONGEST, bytes(MAX_VALUE), 1, 2**63 - 1, 2**63 - 1, 2**63 - 1),
    ],
    ids=lambda message: type(message).__name__,
)
def test_any_value_fits_into_an_envelope_to_its_last_hop(message: Sealable) -> None:
    own, to = peer_info(0), peer_info(2)
    largest = replace(own, record=replace(own.record, encoded=bytes(MAX_RECORD)))
    envelope = seal(identity(0), largest, to, message, ID, RouteSettings(max_hops=63).max_hops)
    assert MAX_SEALED - 1024 < len(envelope.payload) <= MAX_SEALED
    frame = encode(replace(envelope, hop_count=63, visited=(own.node,) * 64))
    assert MAX_FRAME - 2048 < len(frame) <= MAX_FRAME
