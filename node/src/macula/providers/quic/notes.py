"""What a connection reports to the endpoint."""

from __future__ import annotations

from msgspec import Struct

from macula.core.lanes import Lane
from macula.core.route import Route
from macula.providers.quic.closing import Closing
from macula.wire import Decoded


class Proved(Struct, frozen=True, gc=False):
    """The handshake is complete and the peer's identity known."""


class Opened(Struct, frozen=True, gc=False):
    """The peer opened a lane."""

    lane: Lane


class Got(Struct, frozen=True, gc=False):
    """Messages came, in this order."""

    lane: Lane
    decoded: list[Decoded]


class LaneEnded(Struct, frozen=True, gc=False):
    """The peer ended a lane, to go on with it on another connection."""

    lane: Lane


class Slowed(Struct, frozen=True, gc=False):
    """What the peer sends on a lane has to wait from now on, since it is over the lane's rate."""

    lane: Lane


class Credit(Struct, frozen=True, gc=False):
    """A lane is blocked, or takes messages again."""

    lane: Lane
    blocked: bool


class Doubt(Struct, frozen=True, gc=False):
    """The peer became suspect, or is no longer."""

    suspect: bool


class Moved(Struct, frozen=True, gc=False):
    """What is sent goes by another route."""

    route: Route


class Overdue(Struct, frozen=True, gc=False):
    """Lanes are held back for another connection, and have been for the lame duck time."""


class Ended(Struct, frozen=True, gc=False):
    """The connection is over."""

    closing: Closing


Note = Proved | Opened | Got | LaneEnded | Slowed | Credit | Doubt | Moved | Overdue | Ended
