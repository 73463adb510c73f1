"""Lanes: the ordered streams of a connection. Bulk on one never delays another."""

from __future__ import annotations

from enum import IntEnum


class Lane(IntEnum):
    """Which stream of a connection a message travels on; order is kept within a lane only."""

    CONTROL = 0
    """Hello, disconnect, ping and the DHT."""
    RPC = 1
    PUBSUB = 2
