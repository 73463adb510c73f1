"""What a node is for."""

from __future__ import annotations

from enum import StrEnum


class Mode(StrEnum):
    """What a node is for; a peer record names it as text, and may name another one."""

    BOOTSTRAP = "bootstrap"
    """Has a known address, serves the DHT to every realm, is where others enter, and forwards routed envelopes."""
    GATEWAY = "gateway"
    """Public; serves the DHT to every realm and forwards routed envelopes."""
    EDGE = "edge"
    """Runs the services of one realm."""


FORWARDING_MODES = (Mode.BOOTSTRAP, Mode.GATEWAY)
"""Nodes that pass on envelopes of others."""
