"""What a connection reports to the endpoint."""

from __future__ import annotations

from msgspec import Struct

from macula.core.lanes import Lane
from macula.core.route import Route
from macula.providers.quic.closing import Closing
from macula.wire import Decoded


class Proved(Struct, frozen=True):
    """The handshake is complete and the peer's identity known."""


class Opened(Struct, frozen=True):
    """The peer opened a lane."""

    lane: Lane


class Got(Struct, frozen=True):
    """Messages came, in this order."""

    lane: Lane
    decoded: list[Decoded]


class LaneEnded(Struct, frozen=True):
    """The peer ended a lane, to go on with it on another connection."""

    lane: Lane


class Slowed(Struct, frozen=True):
    """What the peer sends on a lane has to wait from now on, since it is over the lane's rate."""

    lane: Lane


class Credit(Struct, frozen=True):
    """A lane is blocked, or takes messages again."""

    lane: Lane
    blocked: bool


class Doubt(Struct, frozen=True):
    """The peer became suspect, or is no longer."""

    suspect: bool


class Moved(Struct, frozen=True):
    """What is sent goes by another route."""

    route: Route


class Overdue(Struct, frozen=True):
    """Lanes are held back for another connection, and have been for the lame duck time."""


class Ended(Struct, frozen=True):
    """The connection is over."""

    closing: Closing


Note = Proved | Opened | Got | LaneEnded | Slowed | Credit | Doubt | Moved | Overdue | Ended
