"""What a connection is there for."""

from __future__ import annotations

from enum import Enum, auto


class State(Enum):
    """From the handshake to its end; not each connection goes through all of them."""

    HANDSHAKE = auto()
    """Not proven yet; or inbound, and the client has not shown that it accepts us by opening a lane."""
    ACTIVE = auto()
    """The connection of its peer."""
    LAME = auto()
    """The loser of two: still receives what was sent on it."""
    LEAVING = auto()
    """Closing: waits for what was sent to be acknowledged."""
    OVER = auto()
