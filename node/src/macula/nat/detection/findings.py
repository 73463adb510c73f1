"""What measurements saw of this node's NAT, before anybody judges it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from macula.core.address import Address
from macula.identity import NodeId


@dataclass(frozen=True, slots=True)
class Observer:
    """Who answers STUN: a peer, or an address that is only configured; `other_port` 0 is unknown or none. `named` are
    the encoded peer records of others that it knows."""

    place: Address
    peer: NodeId | None = None
    other_port: int = 0
    named: tuple[bytes, ...] = ()

    @property
    def other_place(self) -> Address | None:
        """Its second port."""
        return Address(self.place.host, self.other_port) if self.other_port else None


@dataclass(slots=True)
class Asking:
    """One socket, and where each place saw it come from, in the order of asking, without those that were silent."""

    local: Address
    seen: dict[Address, Address] = field(default_factory=dict)

    @property
    def first(self) -> Address:
        """Where the place that was asked first saw it."""
        return next(iter(self.seen.values()))


@dataclass(slots=True)
class Findings:
    """Grows while a measurement goes on; None is not known (yet)."""

    asked: tuple[Address, ...] = ()
    """the observers that the mesh's socket asked"""
    mesh: dict[Address, Address] = field(default_factory=dict)
    """where each of them saw the mesh's socket come from"""
    askings: list[Asking] = field(default_factory=list)
    """new sockets in the order in which they asked, one question after the other"""
    counted: bool = False
    """whether there are no more sockets to ask, so that a pattern of ports would show"""
    port_let_in: bool | None = None
    """whether a datagram came in from another port of an address that was sent to"""
    address_let_in: bool | None = None
    """whether one came in from an address that was not sent to"""
    spoiled: bool | None = None
    """whether a datagram that nobody asked for made the socket be seen elsewhere by its sender"""
    turned: bool | None = None
    """whether a datagram to an outside address of this node's own came back in"""
    newest: Address | None = None
    """where the newest mapping was seen"""


def new_ports(askings: Sequence[Asking]) -> list[int]:
    """The outside port of each new mapping, in the order in which they were made."""
    return [seen.port for asking in askings for seen in dict.fromkeys(asking.seen.values())]
