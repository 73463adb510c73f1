"""The 256-bit key space: positions of nodes, XOR distances and buckets, and the address prefixes of a node."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Callable
from functools import lru_cache

from macula.core.peer_record import PeerInfo
from macula.identity import NodeId

BITS = 256

Position = Callable[[NodeId], int]
"""Where a node stands. Injected, so that tests can use a key space small enough to read."""


@lru_cache(maxsize=65536)
def position(node: NodeId) -> int:
    """SHA-256 of the node id, remembered, since every lookup asks for it."""
    return node.position


def key_position(key: bytes) -> int:
    """Where a record key stands."""
    return int.from_bytes(key, "big")


def to_key(at: int) -> bytes:
    """The 32 bytes of a position, as they travel."""
    return at.to_bytes(BITS // 8, "big")


def bucket_index(own: int, other: int) -> int:
    """Position of the highest bit in which the two differ: 255 for the far half of the space, -1 for the same place."""
    return (own ^ other).bit_length() - 1


def random_in_bucket(own: int, index: int, rng: random.Random) -> int:
    """A random position that belongs to bucket `index` of `own`."""
    return own ^ (1 << index | (rng.getrandbits(index) if index else 0))


def prefixes(info: PeerInfo) -> frozenset[str]:
    """The /24 (IPv4) and /56 (IPv6) networks of the node's globally routable addresses.

    Private addresses give none: a testbed or a company has all its nodes in one of them.
    """
    return frozenset(prefix for address in info.addresses if (prefix := _prefix(address.host)))


@lru_cache(maxsize=16384)
def _prefix(host: str) -> str:
    ip = ipaddress.ip_address(host)
    if not ip.is_global:
        return ""
    return str(ipaddress.ip_network((ip, 24 if ip.version == 4 else 56), strict=False))
