"""What the connection table tells the rest of the engine about attempts that name an address instead of a node."""

from __future__ import annotations

from dataclasses import dataclass

from macula.identity import NodeId


@dataclass(frozen=True, slots=True)
class AddressUp:
    """The attempt `dial` led to this peer, which is up."""

    dial: int
    peer: NodeId


@dataclass(frozen=True, slots=True)
class AddressFailed:
    """The attempt `dial` led to nobody, or to one that was refused."""

    dial: int
    reason: str


Notice = AddressUp | AddressFailed
