"""Signed records: what is signed is what travels, and nothing else passes."""

from __future__ import annotations

import hashlib
import random
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from macula.core.record import DOMAIN, MAX_RECORD, Kind, open_record, record_key, sign_record
from macula.errors import ArgumentError, ProtocolError
from macula.identity import Identity
from macula.wire import codes

ALICE = Identity.from_random(random.Random(1))
BOB = Identity.from_random(random.Random(2))
WALL = 1_800_000_000.25
BODY: list[Any] = ["io.test", "rpc", "io.test.add", bytes(ALICE.node_id), 7, 1_800_000_000, 300, {"a": 1}]


def signed(body: Any, signer: Identity = ALICE, domain: bytes = DOMAIN) -> bytes:
    encoded = body if type(body) is bytes else msgpack.packb(body)
    packed: bytes = msgpack.packb([encoded, signer.sign(domain, encoded)])
    return packed


def code_of(encoded: bytes) -> str:
    with pytest.raises(ProtocolError) as caught:
        open_record(encoded)
    return caught.value.code


@given(
    st.sampled_from(Kind),
    st.none() | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), st.integers(0, 9), max_size=5),
    st.integers(1, 2**31 - 1),
)
def test_what_is_signed_is_opened(kind: Kind, value: Any, ttl: int) -> None:
    record = sign_record(ALICE, "io.test", kind, "io.test.add", value, wall=WALL, ttl=ttl)
    assert open_record(record.encoded) == record
    assert (record.node, record.seq, record.not_before) == (ALICE.node_id, 1_800_000_000_250, 1_800_000_000)
    assert record.expires == 1_800_000_000 + ttl
    assert record.is_tombstone == (value is None)
    assert record.key == record_key("io.test", kind, "io.test.add")


def test_a_sequence_can_be_given() -> None:
    record = sign_record(ALICE, "io.test", Kind.RPC, "io.test.add", 1, wall=WALL, ttl=300, seq=7)
    assert open_record(record.encoded).seq == 7
    assert (
        record.encoded == sign_record(ALICE, "io.test", Kind.RPC, "io.test.add", 1, wall=WALL, ttl=300, seq=7).encoded
    )


def test_the_key_is_the_hash_of_length_prefixed_parts() -> None:
    expected = hashlib.sha256(b"\0\7io.test\0\3rpc\0\3add").digest()
    assert record_key("io.test", Kind.RPC, "add") == expected
    keys = {record_key(*parts) for parts in [("a", Kind.RPC, "b"), ("a", Kind.TOPIC, "b"), ("ar", Kind.RPC, "b")]}
    assert len(keys | {record_key("", Kind.RPC, "b"), record_key("b", Kind.RPC, "a")}) == 5


def test_altering_any_byte_is_detected() -> None:
    encoded = sign_record(ALICE, "io.test", Kind.RPC, "io.test.add", {"a": 1}, wall=WALL, ttl=300).encoded
    for position in range(len(encoded)):
        for bit in (1, 128):
            altered = bytearray(encoded)
            altered[position] ^= bit
            with pytest.raises(ProtocolError):
                open_record(bytes(altered))


def test_cutting_or_adding_anywhere_is_detected() -> None:
    encoded = sign_record(ALICE, "io.test", Kind.RPC, "io.test.add", {"a": 1}, wall=WALL, ttl=300).encoded
    for position in range(len(encoded)):
        with pytest.raises(ProtocolError):
            open_record(encoded[:position])
    assert code_of(encoded + b"\0") == codes.BAD_FRAME


def test_a_record_by_another_signer_or_for_another_domain_is_forged() -> None:
    assert open_record(signed(BODY)).value == {"a": 1}
    assert code_of(signed(BODY, BOB)) == codes.BAD_SIGNATURE
    assert code_of(signed(BODY, domain=b"macula/2 envelope")) == codes.BAD_SIGNATURE
    assert code_of(msgpack.packb([msgpack.packb(BODY), b""])) == codes.BAD_SIGNATURE


@pytest.mark.parametrize(
    ("position", "value"),
    [
        (0, 1),
        (0, "not a realm"),
        (0, "*"),
        (1, "other"),
        (1, None),
        (2, ""),
        (2, "a..b"),
        (3, bytes(31)),
        (3, str(ALICE.node_id)),
        (4, -1),
        (4, 2**63),
        (4, True),
        (4, 1.0),
        (5, -1),
        (5, 2**53),
        (5, 1e9),
        (6, 0),
        (6, -300),
        (6, 2**31),
        (6, None),
    ],
)
def test_a_signed_but_malformed_body_is_refused(position: int, value: Any) -> None:
    body = [*BODY]
    body[position] = value
    assert code_of(signed(body)) == codes.BAD_MESSAGE


@pytest.mark.parametrize(
    ("encoded", "code"),
    [
        (b"", codes.BAD_FRAME),
        (b"\xc1", codes.BAD_FRAME),
        (b"\x01", codes.BAD_MESSAGE),
        (msgpack.packb([b""]), codes.BAD_MESSAGE),
        (msgpack.packb([b"", b"", b""]), codes.BAD_MESSAGE),
        (msgpack.packb([[], b""]), codes.BAD_MESSAGE),
        (msgpack.packb([b"", "text"]), codes.BAD_MESSAGE),
        (signed([]), codes.BAD_MESSAGE),
        (signed({}), codes.BAD_MESSAGE),
        (signed(BODY[:7]), codes.BAD_MESSAGE),
        (signed([*BODY, 1]), codes.BAD_MESSAGE),
        (signed(b"\x91" * 60), codes.BAD_MESSAGE),
        (signed([*BODY[:7], msgpack.ExtType(1, b"")]), codes.BAD_FRAME),
        (signed([*BODY[:7], {1: "key"}]), codes.BAD_FRAME),
        (signed(msgpack.packb(BODY[:7]).replace(b"\x97", b"\x98", 1) + b"\x91" * 40 + b"\xc0"), codes.BAD_FRAME),
        (signed(b"\xdd\xff\xff\xff\xff"), codes.BAD_FRAME),
        (bytes(MAX_RECORD + 1), codes.TOO_LARGE),
    ],
    ids=lambda part: part.hex()[:20] if isinstance(part, bytes) else part,
)
def test_what_is_no_record_is_refused(encoded: bytes, code: str) -> None:
    assert code_of(encoded) == code


def test_one_kibibyte_is_the_limit_both_ways() -> None:
    def sign(size: int) -> bytes:
        return sign_record(ALICE, "io.test", Kind.RPC, "io.test.add", bytes(size), wall=WALL, ttl=300).encoded

    most = MAX_RECORD - len(sign(500)) + 500
    assert len(sign(most)) == MAX_RECORD
    open_record(sign(most))
    with pytest.raises(ArgumentError, match="record: must have at most 1024 bytes, has 1025"):
        sign(most + 1)
    assert code_of(signed([*BODY[:7], bytes(most + 200)])) == codes.TOO_LARGE


def test_random_bytes_are_refused() -> None:
    rng = random.Random(1)
    for _ in range(1000):
        with pytest.raises(ProtocolError):
            open_record(rng.randbytes(rng.randrange(200)))
