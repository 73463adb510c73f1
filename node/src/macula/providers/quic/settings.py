"""Settings of the QUIC transport."""

from __future__ import annotations

from dataclasses import dataclass

from macula.errors import ConfigError

SMALLEST_DATAGRAM = 1200
"""Every QUIC path carries datagrams of this size (RFC 9000, section 14)."""
LARGEST_DATAGRAM = 65527
ETHERNET_DATAGRAM = 1408
"""Leaves, in the 1500 bytes of Ethernet, the headers of IPv4 and UDP and the 63 bytes of a relay's frame, or those of
IPv6 and UDP and 44 bytes more."""
JUMBO_DATAGRAM = 8908
"""The same in the 9000 bytes of jumbo frames, which many data centres have, and the loopback of any host."""


@dataclass(frozen=True, slots=True)
class QuicSettings:
    """All sizes are in bytes, all times in seconds. Raises ConfigError for a value out of range."""

    alpn: str = "macula"
    """Application protocol that both sides must name (RFC 7301)."""
    max_datagram_size: int = JUMBO_DATAGRAM
    """Largest UDP payload that a path is probed for, 1200 to 65527. Datagrams start at 1200, grow to what arrives."""
    lane_window: int = 1 << 20
    """What a peer may send on a lane before it is consumed; the connection's window is that of all lanes together."""
    frame_time: float = 30.0
    """How long a peer may take for one frame, beside the time that what has come of it takes at `frame_rate`."""
    frame_rate: float = 4096.0
    """Bytes per second at which a frame must come after that: no frame takes more than five minutes."""
    max_unread: int = 128 << 20
    """What all peers together may have sent of frames that they have not finished; above it, who sent most goes."""
    high_water: int = 1 << 20
    """A lane with more than this unacknowledged answers SendBlocked."""
    low_water: int = 1 << 19
    """A blocked lane with no more than this unacknowledged answers SendReady."""
    control_rate: float = 1000.0
    """Messages per second that one peer may send on the control lane; a larger one counts once for each 4096 bytes."""
    message_rate: float = 100_000.0
    """Messages per second that one peer may send on each other lane."""
    byte_rate: float = 0.0
    """Bytes per second that one peer may send on each of these; 0 is any number."""
    bulk_rate: float = 0.0
    """Bytes per second that this node sends on bulk lanes, to all peers together; 0 is any number."""
    idle_timeout: float = 60.0
    """A connection on which nothing arrives for this long is lost."""
    keep_alive: float = 20.0
    """A connection on which nothing arrives for this long is pinged; below the 30 s after which NATs forget."""
    handshake_timeout: float = 10.0
    """How long a peer that dialed may take to prove itself. Outgoing dials have their own timeout."""
    close_timeout: float = 1.0
    """How long a closing connection waits for what was sent to be acknowledged."""
    lame_duck_time: float = 5.0
    """How long the loser of two connections to one peer is kept after the last packet came on it."""
    linger_time: float = 3.0
    """How long the connection ids of a closed connection are kept, to tell late packets from new ones."""
    dial_stagger: float = 0.05
    """Time between the first flights to the addresses of one dial."""
    tunnel_stagger: float = 0.3
    """Time after which a dial that nobody has answered by UDP goes to its first tunnel, and then to the next: in most
    networks UDP answers before, and a tunnel is opened for nothing in hardly any."""
    max_dial_addresses: int = 8
    """Addresses tried by one dial; the rest is left out."""
    initial_rtt: float = 0.1
    """Round-trip time assumed before the first measurement; the first retransmission comes after twice this."""
    suspect_timeouts: int = 3
    """A peer is suspect when it has acknowledged nothing for the time of so many probe time-outs in a row."""
    retry_threshold: int = 64
    """Inbound handshakes under way above which a client must prove its address first (RFC 9000, section 8.1.2). What
    comes through one relay, where that would prove nothing, is dropped above it."""
    max_half_open: int = 512
    """Inbound handshakes under way above which new ones are dropped."""
    initial_rate: float = 50.0
    """Inbound handshakes per second that one /24 (IPv4) or /56 (IPv6) may leave unfinished."""
    initial_burst: int = 128
    """Inbound handshakes that one /24 or /56 may leave unfinished at once."""
    socket_buffer: int = 4 << 20
    """Receive and send buffer asked of the operating system, which may give less."""

    def __post_init__(self) -> None:
        if not SMALLEST_DATAGRAM <= self.max_datagram_size <= LARGEST_DATAGRAM:
            raise ConfigError("max_datagram_size", f"must be {SMALLEST_DATAGRAM} to {LARGEST_DATAGRAM}")
        if not 0 <= self.low_water < self.high_water:
            raise ConfigError("low_water", "must be at least 0 and below high_water")
        if not 0 < self.keep_alive < self.idle_timeout:
            raise ConfigError("keep_alive", "must be above 0 and below idle_timeout")
        for name in ("byte_rate", "bulk_rate"):
            if getattr(self, name) < 0:
                raise ConfigError(name, "must be at least 0")
        if not 0 < self.retry_threshold <= self.max_half_open:
            raise ConfigError("retry_threshold", "must be above 0 and not above max_half_open")
        for name in _POSITIVE:
            if getattr(self, name) <= 0:
                raise ConfigError(name, "must be above 0")


_POSITIVE = (
    "lane_window",
    "frame_time",
    "frame_rate",
    "max_unread",
    "control_rate",
    "message_rate",
    "handshake_timeout",
    "close_timeout",
    "lame_duck_time",
    "linger_time",
    "dial_stagger",
    "tunnel_stagger",
    "max_dial_addresses",
    "initial_rtt",
    "suspect_timeouts",
    "initial_rate",
    "initial_burst",
    "socket_buffer",
)
