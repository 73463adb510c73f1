"""What a node is for."""

from __future__ import annotations

from enum import StrEnum


class Mode(StrEnum):
    """What a node is for; a peer record names it as text, and may name another one."""

    BOOTSTRAP = "bootstrap"
    """Has a known address, serves the DHT to every realm, is where others enter, and forwards routed envelopes."""
    GATEWAY = "gateway"
    """Public; serves the DHT to every realm and forwards routed envelopes."""
    RELAY = "relay"
    """Public; relays for nodes that cannot be reached and forwards routed envelopes. As a gateway, it serves the DHT,
    or there would be nobody to keep it where relays are all that is public."""
    EDGE = "edge"
    """Runs the services of one realm."""


FORWARDING_MODES = (Mode.BOOTSTRAP, Mode.GATEWAY, Mode.RELAY)
"""Nodes that pass on envelopes of others, and relay for them."""

RELAY_CAPABILITY = "relay"
"""What a hello says of a node that grants relay sessions."""


class PathPolicy(StrEnum):
    """How a node may be connected to others."""

    AUTO = "auto"
    NEVER_RELAY = "never-relay"
    """Directly or not at all: nothing goes through others, neither packets nor envelopes of its own."""
    RELAY_ONLY = "relay-only"
    """Nobody learns this node's addresses but the relays and whom it dials itself: it names none, is reached through
    relays alone, and sends no probes for a better path."""
