"""What a puncher wants done, and what it found."""

from __future__ import annotations

from dataclasses import dataclass

from macula.core.address import Address
from macula.nat.punching.candidates import Tier
from macula.wire.messages import Candidates, Sync


@dataclass(frozen=True, slots=True)
class SendProbe:
    """Send these bytes from the mesh's own socket."""

    target: Address
    data: bytes


@dataclass(frozen=True, slots=True)
class Tell:
    """Send this to the peer over the connection that there is."""

    message: Candidates | Sync


@dataclass(frozen=True, slots=True)
class Refresh:
    """Look anew at which outside port the NAT gave last, and say so by `Puncher.offer`; soon, the peer waits."""


@dataclass(frozen=True, slots=True)
class Found:
    """The peer is at `address`: a probe of ours came back from there after `rtt` seconds. `observed` is where the peer
    sees this node."""

    address: Address
    tier: Tier
    rtt: float
    observed: Address


@dataclass(frozen=True, slots=True)
class Began:
    """The first probes of an attempt go out."""


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt is over: whether there is a path, how many rounds and probes it took, how many of the peer's probes
    came in, and the reason in a sentence."""

    direct: bool
    rounds: int
    probes: int
    heard: int
    reason: str


Action = SendProbe | Tell | Refresh | Found | Began | Ended
