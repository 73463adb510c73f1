"""Real identities and what they sign, made once."""

from __future__ import annotations

import random
from functools import lru_cache
from typing import Any

from macula.core.address import Address
from macula.core.peer_record import PeerInfo, sign_peer
from macula.core.record import Kind, Record, sign_record
from macula.identity import Identity

REALM = "io.test"
WALL = 1_800_000_000.0


@lru_cache
def person(number: int) -> Identity:
    return Identity.from_random(random.Random(number))


@lru_cache(maxsize=4096)
def record(
    who: int,
    name: str = "add",
    *,
    value: Any = 1,
    at: float = 0.0,
    ttl: int = 300,
    seq: int | None = None,
    realm: str = REALM,
) -> Record:
    """Signed at WALL + `at`."""
    return sign_record(person(who), realm, Kind.RPC, name, value, wall=WALL + at, ttl=ttl, seq=seq)


@lru_cache(maxsize=4096)
def peer(
    who: int, *, at: float = 0.0, reachable: bool = True, realms: tuple[str, ...] = (REALM,), ttl: int = 300
) -> PeerInfo:
    """The peer record of somebody, signed at WALL + `at`."""
    return sign_peer(
        person(who),
        addresses=(Address(f"10.0.0.{who + 1}", 9443),),
        reachable=reachable,
        name=f"n{who}",
        mode="edge",
        realms=realms,
        wall=WALL + at,
        ttl=ttl,
    )


def forged(encoded: bytes) -> bytes:
    """The same with one bit of the signature flipped."""
    return encoded[:-1] + bytes([encoded[-1] ^ 1])
