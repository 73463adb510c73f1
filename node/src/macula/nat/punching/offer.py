"""What two peers tell each other before they probe, as a message and as this node uses it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import TypeVar

from macula.identity import NodeId
from macula.nat.facts import Facts
from macula.nat.profile import Filtering, Mapping, Ports
from macula.nat.punching.candidates import Candidate, choose_candidates, read_candidates, write_candidate
from macula.nat.punching.probe import KEY_SIZE, RECEIVER_SIZE
from macula.wire.messages import Candidates

W = TypeVar("W", bound=StrEnum)

_MOST_HELD_MS = 60_000
_USES = (b"macula receiver", b"macula half")


@dataclass(frozen=True, slots=True)
class Side:
    """What is known of one of the two peers."""

    facts: Facts
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Terms:
    """What a side chose for the probes of this connection: the number that names it, and its half of the key."""

    receiver: bytes
    key: bytes


def new_terms(secret: bytes, peer: NodeId, rng: random.Random) -> Terms:
    """This node's choice for a new connection with a peer; what was recorded of an earlier one is worth nothing in it.
    Nobody can guess it who does not know `secret` (16 to 64 bytes)."""
    nonce = rng.randbytes(16)
    halves = (blake2b(nonce + peer, digest_size=KEY_SIZE, key=secret, person=use).digest() for use in _USES)
    receiver, key = halves
    return Terms(receiver[:RECEIVER_SIZE], key)


def write_offer(side: Side, terms: Terms, number: int, held: float) -> Candidates:
    """The message of a side, for round `number`; it was held for `held` seconds."""
    facts = side.facts
    mapping, filtering, ports = (
        word.value if word is not None else "" for word in (facts.mapping, facts.filtering, facts.ports)
    )
    return Candidates(
        number,
        terms.receiver,
        terms.key,
        mapping,
        filtering,
        ports,
        max(-1024, min(facts.delta, 1024)),
        facts.last_port,
        facts.fragile,
        facts.udp,
        min(int(held * 1000), _MOST_HELD_MS),
        tuple(write_candidate(one) for one in choose_candidates(side.candidates)),
    )


def read_offer(message: Candidates, *, local: bool) -> tuple[Side, Terms]:
    """What a peer told. Words that this version does not know are unknown; for `local` see read_candidates."""
    facts = Facts(
        _word(Mapping, message.mapping),
        _word(Filtering, message.filtering),
        _word(Ports, message.ports),
        message.delta,
        message.last_port,
        message.fragile,
        message.udp,
    )
    return Side(facts, read_candidates(message.candidates, local=local)), Terms(message.receiver, message.key)


def shared_key(first: bytes, second: bytes) -> bytes:
    """The key that the halves of both sides make, the half of the smaller node id first."""
    return blake2b(first + second, digest_size=KEY_SIZE, person=b"macula punching").digest()


def _word(kind: type[W], text: str) -> W | None:
    try:
        return kind(text)
    except ValueError:
        return None
