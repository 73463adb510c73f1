"""What the parts of the DHT share: one event being handled, and the names of the timers."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, auto
from typing import Any

from macula.core.effects import Trace
from macula.core.service import Action
from macula.core.timers import Timers
from macula.identity import NodeId


class Due(IntEnum):
    """What a timer is for. Hashed often: an int's hash is one of C."""

    QUERY = auto()
    """When a query counts as failed, and later when its answer no longer counts. Detail: its request number."""
    LOOKUP = auto()
    """When a lookup ends with what it has. Detail: its number."""
    FLUSH = auto()
    """When the records gathered for a node are sent. Detail: its id."""
    PUBLISH = auto()
    """When a record of this node is published again, or its tombstone forgotten. Detail: its key."""
    EXPIRE = auto()
    """When the next record kept for others expires."""
    SELF_LOOKUP = auto()
    """When this node looks for its own position again."""
    MAINTAIN = auto()
    """When stale buckets and contacts with old records are looked for."""


DueKey = tuple[Due, Any]
"""What a timer is for, and the detail named there (0 where there is none)."""
DueTimers = Timers[DueKey]


@dataclass(slots=True)
class Turn:
    """One event being handled: its two times, and what follows from it."""

    now: float
    wall: float
    actions: list[Action] = field(default_factory=list)

    def emit(self, action: Action) -> None:
        """Add to what follows."""
        self.actions.append(action)

    def refuse(self, name: str, peer: NodeId, reason: str) -> None:
        """Trace what a peer did wrong: logged once per peer and minute."""
        self.emit(Trace(name, {"peer": peer.short, "reason": reason}, limit=str(peer)))
