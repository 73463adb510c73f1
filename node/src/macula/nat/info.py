"""What a node knows of the NAT that it is behind."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from macula.core.address import Address
from macula.nat.facts import Facts
from macula.nat.profile import Filtering, Input, Mapping, Ports, Profile, Udp, familiar


class NatType(StrEnum):
    """The familiar names (RFC 3489, section 5)."""

    NONE = "none"
    FULL_CONE = "full_cone"
    RESTRICTED = "restricted"
    PORT_RESTRICTED = "port_restricted"
    SYMMETRIC = "symmetric"
    BLOCKED = "blocked"
    """no STUN answer came from anybody that was asked"""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class NatInfo:
    """One measurement's outcome. None is unknown; `mapping` to `delta` are in the words of nat.profile."""

    type: NatType = NatType.UNKNOWN
    public: Address | None = None
    """where the mesh's socket is seen"""
    translated: bool | None = None
    """whether the outside address is another than this host's own"""
    mapping: Mapping | None = None
    filtering: Filtering | None = None
    ports: Ports | None = None
    block: tuple[int, int] | None = None
    """first and last outside port seen, of ports=block"""
    delta: int | None = None
    """from one new outside port to the next, of ports=sequential"""
    input: Input | None = None
    """whether a datagram that is kept out takes the mapping from a later one to its sender; of mapping=eim"""
    hairpin: bool | None = None
    """whether this host reaches its own outside addresses; None without a translation, where nothing has to turn"""
    lifetime: tuple[float, float | None] | None = None
    """seconds after which an idle mapping was still alive, and after which one was gone; see nat.detection.lifetime"""
    last_port: int = 0
    """outside port of the newest mapping that was seen, or 0"""
    observers: tuple[Address, ...] = ()
    """who answered"""
    note: str = ""
    """what is missing, and what would help, for people"""
    at: float = 0.0
    """when it was found, in `now` seconds"""

    @property
    def summary(self) -> str:
        """Type and outside address in a few words; empty while nothing is known."""
        if self.public is None:
            return "" if self.type is NatType.UNKNOWN else self.type.value
        return f"{self.type}, seen at {self.public}"

    @property
    def facts(self) -> Facts:
        """What peers are told."""
        return Facts(
            mapping=self.mapping,
            filtering=self.filtering,
            ports=self.ports,
            delta=self.delta or 1,
            last_port=self.last_port,
            fragile=self.input is Input.ACCEPT,
            udp=self.type is not NatType.BLOCKED,
        )

    @property
    def profile(self) -> Profile | None:
        """The NAT as a profile, with defaults for what is not measured; None while mapping or filtering is unknown."""
        if self.type is NatType.BLOCKED:
            return Profile(udp=Udp.BLOCKED)
        if self.type is NatType.NONE:
            return Profile(translates=False)
        if self.mapping is None or self.filtering is None:
            return None
        policy = self.input or Input.DROP
        ports = self.ports or Ports.RANDOM
        return Profile(self.mapping, self.filtering, ports, hairpin=bool(self.hairpin), input=policy)

    @property
    def name(self) -> str:
        """The familiar name of nat.profile; empty if there is none."""
        profile = self.profile
        return "" if profile is None else familiar(profile)
