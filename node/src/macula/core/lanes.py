"""Lanes: the ordered streams of a connection. Bulk on one never delays another."""

from __future__ import annotations

from enum import IntEnum


class Lane(IntEnum):
    """Which stream of a connection a message travels on; order is kept within a lane only."""

    CONTROL = 0
    """Hello, disconnect, ping and the DHT."""
    RPC = 1
    """Calls, replies and what steers streaming calls."""
    PUBSUB = 2
    BULK = 3
    """Items of streaming calls. A peer of an earlier version does not have it."""

    __hash__ = int.__hash__
    """Enum's is written in Python, and lanes are keys of what is looked up for each message."""
