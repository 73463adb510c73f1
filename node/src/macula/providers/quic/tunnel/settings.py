"""Settings of tunnels."""

from __future__ import annotations

from dataclasses import dataclass

PATH = "/macula"
"""Where a server takes tunnels; anything else is answered as by a web server that has nothing to show."""
MAX_DATAGRAM = 2048
"""Bytes of one message; a larger one ends the tunnel."""


@dataclass(frozen=True, slots=True)
class TunnelSettings:
    """All times are in seconds."""

    handshake_timeout: float = 5.0
    """From the TCP connection's start to the WebSocket's, on either side."""
    ping_interval: float = 5.0
    """After so long without a frame from the other side it is asked for one."""
    dead_after: float = 8.0
    """Without a frame from the other side for so long a tunnel is dead. A NAT on the way that has restarted drops what
    belongs to no connection that it knows; TCP tries for minutes, and nobody behind it can be called meanwhile."""
    stuck_after: float = 30.0
    """Who takes nothing of what is sent for so long, but asks for it to be sent, is given up."""
    doubt_time: float = 1.0
    """Without a frame from the other side for so long after QUIC had no answer, a tunnel is dead, too."""
    unused_after: float = 60.0
    """Whoever opened a tunnel closes it after so long without a datagram; the other side after twice that. More than
    what keeps a QUIC connection alive."""
    farewell: float = 1.0
    """For the other side to take what ends a tunnel."""
    queue: int = 512
    """Datagrams that wait for a slow peer; the oldest make room, as the likeliest to have been sent anew."""
    opening_queue: int = 32
    """Datagrams that wait for a tunnel to open."""
    stale_after: float = 1.0
    """A datagram that has waited for so long in an open tunnel is not sent: QUIC has given it up for lost."""
    max_inbound: int = 1024
    """Tunnels that others opened, those that are still opening included."""
    max_per_prefix: int = 64
    """Of these, from one /24 (IPv4) or /56 (IPv6) that is globally routable."""
    max_outbound: int = 128
    """Tunnels that this node opened."""
    accept_rate: float = 20.0
    """Tunnels per second that one /24 or /56 may open; each costs a TLS handshake."""
    accept_burst: int = 128
    """Tunnels that one /24 or /56 may open at once."""
