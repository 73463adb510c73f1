"""What the runtime asks of a transport."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from macula.core.address import Address
from macula.core.effects import SendMessage, TransportEffect
from macula.core.events import Event
from macula.identity import NodeId


@dataclass(frozen=True, slots=True)
class PathStatus:
    """The path that carries a peer's packets: `relay` forwards them, or nobody does; `address` is where they go, the
    relay's if there is one, or None once its session is over; `rtt` in seconds; `hops` the routers on the way in, from
    the received IP TTL, or None; bytes are those of QUIC datagrams."""

    address: Address | None
    rtt: float
    hops: int | None
    bytes_sent: int
    bytes_received: int
    relay: NodeId | None = None

    @property
    def kind(self) -> str:
        """direct or relayed."""
        return "direct" if self.relay is None else "relayed"

    @property
    def carrier(self) -> str:
        """udp or tcp: what takes the packets from here to the peer, or to the relay; empty if nothing does."""
        return self.address.carrier.value if self.address is not None else ""


@dataclass(frozen=True, slots=True)
class RelayCounts:
    """What a node forwarded as a relay since its start: sessions now, datagrams and their bytes, and datagrams that it
    dropped, by reason."""

    sessions: int = 0
    datagrams: int = 0
    bytes: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HandshakeCounts:
    """Handshakes of others that are under way, and how many were not let begin since the start, by reason: `full`
    (max_handshakes), `rate` (handshake_rate), `retry` (had to prove their address first, and may have come again)."""

    under_way: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TunnelCounts:
    """The TCP ports at which a node takes tunnels; those that others opened and those that it opened; datagrams that it
    did not send, since a tunnel was too slow or not to be had; and connections that were none, by reason."""

    ports: tuple[int, ...] = ()
    inbound: int = 0
    outbound: int = 0
    dropped: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)


class Transport(Protocol):
    """Connections between authenticated peers: the low interface, below the engine."""

    @property
    def local_address(self) -> Address:
        """Where the transport listens; known once open."""
        ...

    async def open(self, deliver: Callable[[Sequence[Event]], None]) -> None:
        """Start listening. From now on events go to `deliver`, from the event loop, those of one turn together; then,
        when all that comes of them has been sent, what has happened since, if only nothing. Raises OSError."""
        ...

    def wake(self) -> None:
        """Call `deliver` soon, before anything else is sent, even if nothing has happened. Harmless after close."""
        ...

    def execute(self, effect: TransportEffect) -> None:
        """Carry out an effect; what comes of it arrives as events, never from within this call."""
        ...

    def send(self, messages: Sequence[SendMessage]) -> None:
        """As execute, of several messages in turn, which costs less."""
        ...

    def path(self, peer: NodeId) -> PathStatus | None:
        """The path of a connected peer."""
        ...

    @property
    def relayed(self) -> RelayCounts:
        """What this node forwarded as a relay."""
        ...

    @property
    def handshakes(self) -> HandshakeCounts:
        """Handshakes that others began."""
        ...

    @property
    def unread(self) -> int:
        """Bytes that came of all peers and cannot be read yet."""
        ...

    @property
    def tunnels(self) -> TunnelCounts:
        """What goes over TCP."""
        ...

    @property
    def certificate_expires(self) -> float | None:
        """Unix time at which this node's certificate ends, or one between it and the CA; None outside of CA mode."""
        ...

    async def close(self) -> None:
        """Close all connections, telling the peers, and stop listening. Harmless when repeated."""
        ...
