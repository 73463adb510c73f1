"""What the runtime asks of a transport."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from macula.core.address import Address
from macula.core.effects import TransportEffect
from macula.core.events import Event
from macula.identity import NodeId


@dataclass(frozen=True, slots=True)
class PathStatus:
    """The path that carries a peer's packets: `kind` is direct; `rtt` in seconds; `hops` the routers on the way in,
    from the received IP TTL, or None; bytes are those of UDP payloads."""

    kind: str
    address: Address
    rtt: float
    hops: int | None
    bytes_sent: int
    bytes_received: int


class Transport(Protocol):
    """Connections between authenticated peers: the low interface, below the engine."""

    @property
    def local_address(self) -> Address:
        """Where the transport listens; known once open."""
        ...

    async def open(self, deliver: Callable[[Event], None]) -> None:
        """Start listening. From now on events go to `deliver`, one at a time, from the event loop. Raises OSError."""
        ...

    def execute(self, effect: TransportEffect) -> None:
        """Carry out an effect; what comes of it arrives as events, never from within this call."""
        ...

    def path(self, peer: NodeId) -> PathStatus | None:
        """The path of a connected peer."""
        ...

    async def close(self) -> None:
        """Close all connections, telling the peers, and stop listening. Harmless when repeated."""
        ...
