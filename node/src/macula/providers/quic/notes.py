"""What a connection reports to the endpoint."""

from __future__ import annotations

from dataclasses import dataclass

from macula.core.lanes import Lane
from macula.core.route import Route
from macula.providers.quic.closing import Closing
from macula.wire import Decoded


@dataclass(frozen=True, slots=True)
class Proved:
    """The handshake is complete and the peer's identity known."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The peer opened a lane."""

    lane: Lane


@dataclass(frozen=True, slots=True)
class Got:
    """A message came."""

    lane: Lane
    decoded: Decoded


@dataclass(frozen=True, slots=True)
class LaneEnded:
    """The peer ended a lane, to go on with it on another connection."""

    lane: Lane


@dataclass(frozen=True, slots=True)
class Credit:
    """A lane is blocked, or takes messages again."""

    lane: Lane
    blocked: bool


@dataclass(frozen=True, slots=True)
class Doubt:
    """The peer became suspect, or is no longer."""

    suspect: bool


@dataclass(frozen=True, slots=True)
class Moved:
    """What is sent goes by another route."""

    route: Route


@dataclass(frozen=True, slots=True)
class Overdue:
    """Lanes are held back for another connection, and have been for the lame duck time."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The connection is over."""

    closing: Closing


Note = Proved | Opened | Got | LaneEnded | Credit | Doubt | Moved | Overdue | Ended
