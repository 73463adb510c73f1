"""Signing with a node's key, and verifying what others signed."""

from __future__ import annotations

import random
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from macula.errors import ArgumentError
from macula.identity.node_id import NodeId

SECRET_SIZE = 32
SIGNATURE_SIZE = 64


class Identity:
    """A node's Ed25519 key pair, and the X25519 key derived from it that others seal envelopes for."""

    def __init__(self, secret: bytes) -> None:
        """`secret` is the 32-byte Ed25519 seed. Raises ArgumentError for another length."""
        if len(secret) != SECRET_SIZE:
            raise ArgumentError("secret", f"must have {SECRET_SIZE} bytes, has {len(secret)}")
        self._secret = secret
        self.private_key = Ed25519PrivateKey.from_private_bytes(secret)
        self.node_id = NodeId(self.private_key.public_key().public_bytes_raw())
        box = self.derive(b"macula/2 box key")
        self.box_key = X25519PrivateKey.from_private_bytes(box)
        self.box_public = self.box_key.public_key().public_bytes_raw()

    @classmethod
    def generate(cls) -> Self:
        """A new identity from the operating system's randomness."""
        return cls(Ed25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def from_random(cls, rng: random.Random) -> Self:
        """An identity from a seeded source: for simulations and tests only."""
        return cls(rng.randbytes(SECRET_SIZE))

    @property
    def secret(self) -> bytes:
        """The 32-byte Ed25519 seed, to be stored."""
        return self._secret

    def derive(self, purpose: bytes) -> bytes:
        """A 32-byte secret of this node for one purpose, the same at every start (RFC 5869)."""
        return HKDF(SHA256(), 32, salt=None, info=purpose).derive(self._secret)

    def sign(self, domain: bytes, payload: bytes) -> bytes:
        """A 64-byte Ed25519 signature (RFC 8032) over the domain, a zero byte and the payload."""
        return self.private_key.sign(domain + b"\0" + payload)


def verify(signer: NodeId, domain: bytes, payload: bytes, signature: bytes) -> bool:
    """Whether `signature` is `signer`'s over this payload in this domain. Never raises."""
    try:
        Ed25519PublicKey.from_public_bytes(signer).verify(signature, domain + b"\0" + payload)
    except (InvalidSignature, ValueError):
        return False
    return True
