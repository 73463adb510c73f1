"""The name of a node: its Ed25519 public key."""

from __future__ import annotations

import base64
import functools
import hashlib
from typing import Self

from macula.errors import ArgumentError

SIZE = 32
_TEXT_LENGTH = 52


class NodeId(bytes):
    """A 32-byte Ed25519 public key (RFC 8032). Text form: 52 characters of lower-case base32 (RFC 4648), unpadded."""

    __slots__ = ()

    def __new__(cls, key: bytes) -> Self:
        """Raises ArgumentError unless `key` has 32 bytes."""
        if len(key) != SIZE:
            raise ArgumentError("node_id", f"must have {SIZE} bytes, has {len(key)}")
        return super().__new__(cls, key)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The id written as `text`, in either case. Raises ArgumentError for anything else."""
        if len(text) != _TEXT_LENGTH:
            raise ArgumentError("node_id", f"must have {_TEXT_LENGTH} base32 characters, has {len(text)}")
        try:
            node_id = cls(base64.b32decode(text.upper() + "===="))
        except ValueError as error:
            raise ArgumentError("node_id", f"is not base32: {text!r}") from error
        # 52 characters have four bits more than the key: only one text may name a node.
        if str(node_id) != text.lower():
            raise ArgumentError("node_id", f"is not base32 of {SIZE} bytes: {text!r}")
        return node_id

    @property
    def short(self) -> str:
        """The first 10 characters of the text form, for people."""
        return str(self)[:10]

    @property
    def position(self) -> int:
        """Where the node stands in the DHT's 256-bit key space: SHA-256 of the id."""
        return int.from_bytes(hashlib.sha256(self).digest(), "big")

    def __str__(self) -> str:
        return _text(self)

    def __repr__(self) -> str:
        return f"NodeId({self.short}…)"


@functools.lru_cache(4096)
def _text(key: bytes) -> str:
    return base64.b32encode(key).decode().rstrip("=").lower()
