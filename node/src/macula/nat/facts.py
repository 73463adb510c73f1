"""What a node knows of its own NAT, as it tells its peers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from macula.nat.profile import Filtering, Input, Mapping, Ports, Profile, Udp


class NatClass(StrEnum):
    """What matters of a NAT to whoever counts outcomes, in the familiar names (RFC 3489, section 5)."""

    OPEN = "open"
    """no NAT, or one that lets everybody in (full cone)"""
    RESTRICTED = "restricted"
    PORT_RESTRICTED = "port_restricted"
    SYMMETRIC = "symmetric"
    SYMMETRIC_SEQUENTIAL = "symmetric_sequential"
    """one whose next port can be guessed"""
    BLOCKED = "blocked"
    """no UDP"""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Facts:
    """A node's NAT, as far as it is known; None is unknown. A node without a NAT maps and filters for everybody."""

    mapping: Mapping | None = None
    filtering: Filtering | None = None
    ports: Ports | None = None
    delta: int = 1
    """by how much the outside port grows from one mapping to the next; told by ports=sequential only"""
    last_port: int = 0
    """the outside port of the newest mapping, seen just now; 0 is unknown"""
    fragile: bool = False
    """a packet from outside that nobody asked for spoils the mapping that is made for its sender (input=accept)"""
    udp: bool = True
    """whether UDP leaves at all"""

    @property
    def dependent(self) -> bool:
        """Whether the outside port depends on the destination ("symmetric")."""
        return self.mapping in (Mapping.ADDRESS_DEPENDENT, Mapping.ADDRESS_AND_PORT_DEPENDENT)

    @property
    def predictable(self) -> bool:
        """Whether a peer can guess the outside port of the next mapping."""
        return self.dependent and self.ports is Ports.SEQUENTIAL and self.last_port > 0 and self.delta != 0

    @property
    def open(self) -> bool:
        """Whether everybody gets in where this node was seen."""
        return self.filtering is Filtering.ENDPOINT_INDEPENDENT

    @property
    def nat_class(self) -> NatClass:
        """The NAT in one word."""
        if not self.udp:
            return NatClass.BLOCKED
        if self.mapping is None or self.filtering is None:
            return NatClass.UNKNOWN
        if self.open:
            return NatClass.OPEN
        if self.dependent:
            return NatClass.SYMMETRIC_SEQUENTIAL if self.ports is Ports.SEQUENTIAL else NatClass.SYMMETRIC
        by_address = self.filtering is Filtering.ADDRESS_DEPENDENT
        return NatClass.RESTRICTED if by_address else NatClass.PORT_RESTRICTED

    @property
    def profile(self) -> Profile | None:
        """The NAT in the vocabulary, for `predict`; None while too little is known."""
        if not self.udp:
            return Profile(udp=Udp.BLOCKED)
        if self.mapping is None or self.filtering is None:
            return None
        if self.ports is None and self.dependent and not self.open:
            return None
        policy = Input.ACCEPT if self.fragile else Input.DROP
        # Without a sample to guess from, a sequence is as good as random.
        guessable = self.ports is not Ports.SEQUENTIAL or not self.dependent or self.predictable
        ports = (self.ports or Ports.RANDOM) if guessable else Ports.RANDOM
        return Profile(self.mapping, self.filtering, ports, input=policy)
