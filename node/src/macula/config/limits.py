"""What a node takes from others before it says no; docs/limits.md has all limits."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from macula.config.about import About
from macula.config.layers import LayeredSettings
from macula.config.types import Seconds


class LimitSettings(LayeredSettings):
    """The limits that an operator may want to set, of connections first, then of the services."""

    idle_timeout: Annotated[
        Seconds, Field(ge=1, le=86400, description="After this long without use a connection is closed.")
    ] = 300.0
    pool_max_size: Annotated[
        int,
        Field(ge=1, le=100_000, description="Most connections; the least recently used one that is idle makes room."),
    ] = 1000
    pool_max_per_network: Annotated[
        int,
        Field(
            ge=1,
            le=100_000,
            description="Of these, by nodes that came from one globally routable /24 (IPv4) or /56 (IPv6); more are "
            "refused as busy.",
        ),
    ] = 256
    max_handshakes: Annotated[
        int,
        Field(
            ge=8,
            le=100_000,
            description="Handshakes of others under way at once; from an eighth of that on they have to prove their "
            "address first (Retry), above it they are dropped.",
        ),
    ] = 512
    handshake_rate: Annotated[
        int,
        About(unit="per s"),
        Field(
            ge=1,
            le=1_000_000,
            description="Handshakes that one /24 (IPv4) or /56 (IPv6) may leave unfinished in the long run; 2.5 "
            "seconds' worth at once.",
        ),
    ] = 50
    control_rate: Annotated[
        int,
        About(unit="per s"),
        Field(
            ge=10,
            le=1_000_000,
            description="Messages that one peer may send on the control lane (pings, queries of the DHT), a large one "
            "counted once for each 4096 bytes; more is read later, and stops the peer.",
        ),
    ] = 1000
    message_rate: Annotated[
        int,
        About(unit="per s"),
        Field(ge=10, le=10_000_000, description="The same on each other lane: calls, events, bulk."),
    ] = 100_000
    byte_rate: Annotated[
        int,
        About(unit="bytes/s"),
        Field(ge=0, le=10**12, description="What one peer may send on each of these; more is read later. 0 is any."),
    ] = 0
    bulk_rate: Annotated[
        int,
        About(unit="bytes/s"),
        Field(
            ge=0,
            le=10**12,
            description="What this node sends in streaming calls, to all peers together, so that they leave room on a "
            "thin uplink. 0 is any number.",
        ),
    ] = 0
    dht_max_records: Annotated[
        int,
        Field(
            ge=1,
            le=10_000_000,
            description="Records of at most 1 KiB kept for others; above it, who brought most makes room for who "
            "brought less.",
        ),
    ] = 32768
    dht_max_records_per_peer: Annotated[
        int,
        Field(ge=1, le=10_000_000, description="Of these, brought by one peer; of one publisher a quarter of that."),
    ] = 4096
    dht_record_rate: Annotated[
        int,
        About(unit="per s"),
        Field(ge=1, le=1_000_000, description="Records that one peer may bring in the long run; more are refused."),
    ] = 1000
    relay_clients: Annotated[
        int,
        Field(
            ge=0,
            le=100_000,
            description="Most nodes for which a bootstrap, gateway or relay relays at a time; 0 turns that off.",
        ),
    ] = 2048
    relay_rate: Annotated[
        int,
        About(unit="bytes/s"),
        Field(ge=1000, le=10**12, description="What each of them may send through this node; more is dropped."),
    ] = 8 << 20
    max_hops: Annotated[int, Field(ge=1, le=63, description="Most nodes that forward a routed envelope.")] = 10
    max_concurrent_calls: Annotated[
        int,
        Field(
            ge=1,
            le=100_000,
            description="Calls that this node runs at once, at most half of them for one caller and three quarters for "
            "one routable network; more are refused as busy.",
        ),
    ] = 1000
    call_rate: Annotated[
        int,
        About(unit="per s"),
        Field(ge=0, le=1_000_000, description="Calls of one caller; more are refused as busy. 0 is any number."),
    ] = 0
    event_rate: Annotated[
        int,
        About(unit="per s"),
        Field(
            ge=0,
            le=1_000_000,
            description="Events of one publisher; more are refused as busy (QoS 1) or dropped (QoS 0). 0 is any "
            "number.",
        ),
    ] = 0
