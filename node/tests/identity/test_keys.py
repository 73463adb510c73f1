"""Signing, verifying and the derived box key."""

from __future__ import annotations

import random

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from macula.errors import ArgumentError
from macula.identity import Identity, NodeId, verify

ALICE = Identity.from_random(random.Random(1))
BOB = Identity.from_random(random.Random(2))


def test_rfc_8032_test_1() -> None:
    identity = Identity(bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
    assert identity.node_id.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"


def test_an_identity_is_its_secret() -> None:
    again = Identity(ALICE.secret)
    assert (again.node_id, again.box_public) == (ALICE.node_id, ALICE.box_public)
    assert Identity.from_random(random.Random(1)).node_id == ALICE.node_id != BOB.node_id
    assert Identity.generate().node_id != Identity.generate().node_id


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_secret_of_another_size_is_an_error(size: int) -> None:
    with pytest.raises(ArgumentError, match=f"secret: must have 32 bytes, has {size}"):
        Identity(bytes(size))


@given(st.binary(max_size=20), st.binary(max_size=200))
def test_a_signature_is_verified_in_its_domain_only(domain: bytes, payload: bytes) -> None:
    signature = ALICE.sign(domain, payload)
    assert len(signature) == 64
    assert verify(ALICE.node_id, domain, payload, signature)
    assert not verify(BOB.node_id, domain, payload, signature)
    assert not verify(ALICE.node_id, domain + b"x", payload, signature)
    assert not verify(ALICE.node_id, domain, payload + b"x", signature)


def test_altering_any_byte_of_a_signature_is_detected() -> None:
    signature = ALICE.sign(b"test", b"payload")
    for position in range(64):
        altered = bytearray(signature)
        altered[position] ^= 1
        assert not verify(ALICE.node_id, b"test", b"payload", bytes(altered))


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=100))
def test_verify_never_raises(key: bytes, signature: bytes) -> None:
    assert not verify(NodeId(key), b"test", b"payload", signature)


def test_the_box_key_agrees_and_does_not_show_the_identity() -> None:
    other = X25519PrivateKey.from_private_bytes(bytes(range(32)))
    ours = ALICE.box_key.exchange(other.public_key())
    assert ours == other.exchange(X25519PublicKey.from_public_bytes(ALICE.box_public))
    assert ALICE.box_public != ALICE.node_id
    assert ALICE.box_key.private_bytes_raw() != ALICE.secret
