"""The limits of the envelope router and of relays."""

from __future__ import annotations

from dataclasses import dataclass

from macula.errors import ConfigError
from macula.wire.header import MAX_FRAME

MAX_SEALED = MAX_FRAME - 4096
"""Most bytes of a sealed payload: a frame less room for the longest header fields of an envelope."""


@dataclass(frozen=True, slots=True)
class RouteSettings:
    """Limits on routed envelopes. Raises ConfigError naming a field that is out of range."""

    max_hops: int = 10
    """How often an envelope may be forwarded, 0 to 63; see relay.service for what a hop is."""
    max_payload: int = MAX_SEALED
    """Most bytes of a sealed payload; sealing adds about 700 bytes to the message, and 1200 at most."""
    rate: float = 500.0
    """Envelopes per second taken from one peer, in the long run."""
    burst: float = 1000.0
    """Envelopes taken from one peer at once."""
    byte_rate: float = 2.0 * 1024 * 1024
    """Bytes of payload per second taken from one peer, in the long run."""
    byte_burst: float = 8.0 * 1024 * 1024
    """Bytes of payload taken from one peer at once."""
    remembered: int = 8192
    """Envelopes remembered for each purpose (sent, forwarded, opened): against repeats, and to lead errors back."""
    memory: float = 60.0
    """Seconds for which an envelope is remembered."""

    def __post_init__(self) -> None:
        # At most 63, because the list of visited nodes, with the source, has at most 64 elements.
        if not 0 <= self.max_hops <= 63:
            raise ConfigError("max_hops", f"must be 0 to 63, is {self.max_hops}")
        if not 1 <= self.max_payload <= MAX_SEALED:
            raise ConfigError("max_payload", f"must be 1 to {MAX_SEALED} bytes, is {self.max_payload}")
        for field in ("rate", "burst", "byte_rate", "byte_burst", "remembered", "memory"):
            if getattr(self, field) <= 0:
                raise ConfigError(field, f"must be above 0, is {getattr(self, field)}")


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """What a relay grants. Raises ConfigError naming a field that is out of range."""

    max_clients: int = 2048
    """Sessions at a time."""
    max_network: int = 512
    """Sessions of clients in one /24 (IPv4) or /56 (IPv6): so many identities a stranger can invent for one host, and
    so many subscribers share an address of a carrier."""
    rate: int = 8 << 20
    """Bytes per second that one client may send."""
    lifetime: int = 120
    """Seconds for which a session lives without being renewed."""
    request_rate: float = 0.5
    """Requests per second that one peer may make in the long run."""
    request_burst: float = 8.0
    """Requests that one peer may make at once."""
    drain_time: float = 1.0
    """Seconds that clients get to move to another relay when this one stops."""

    def __post_init__(self) -> None:
        for field in ("max_clients", "max_network", "rate", "lifetime", "request_rate", "request_burst"):
            if getattr(self, field) <= 0:
                raise ConfigError(field, f"must be above 0, is {getattr(self, field)}")


@dataclass(frozen=True, slots=True)
class UseSettings:
    """How a node uses relays."""

    homes: int = 2
    """Relays through which a node that cannot be reached wants to be."""
    max_sessions: int = 32
    """Relays used at a time, those included through which only others are reached."""
    max_waiting: int = 1024
    """Peers that are waited for with a session at a time."""
    ask_timeout: float = 2.0
    """Seconds for a relay to answer, connecting to it included."""
    refused_time: float = 60.0
    """Seconds for which a relay that refused is not asked again."""
    measure_interval: float = 60.0
    """Seconds between two measurements of the round trips to all relays that are connected."""
    better: float = 0.02
    """Seconds by which another relay must be nearer to take a home's place."""
