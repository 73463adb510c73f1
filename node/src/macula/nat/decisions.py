"""What was decided about the paths to a peer, and why: the raw material of the answer to "why is it not direct?"."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum

from macula.core.route import Route

_REMEMBERED = 64


class Verdict(StrEnum):
    """What became of a path or of an attempt to find one."""

    FOUND = "found"
    """a probe came back"""
    CHOSEN = "chosen"
    """everything for the peer goes this way from now on"""
    KEPT = "kept"
    """it stays in reserve, or in use although another one was looked at"""
    QUESTIONED = "questioned"
    """it may be dead and is asked in quick succession"""
    LOST = "lost"
    """it answers no longer"""
    ABANDONED = "abandoned"
    """it works, but others are better"""
    FAILED = "failed"
    """no path was found"""


@dataclass(frozen=True, slots=True)
class Decision:
    """At `at` (in `now` seconds); `route` is None where no single one is meant. `count` is how often in a row."""

    at: float
    verdict: Verdict
    route: Route | None
    reason: str
    count: int = 1


class DecisionLog:
    """The newest decisions. The same one again only counts, so that what repeats does not drive out the rest."""

    def __init__(self) -> None:
        self._decisions: deque[Decision] = deque(maxlen=_REMEMBERED)

    def add(self, at: float, verdict: Verdict, route: Route | None, reason: str) -> None:
        """Remember a decision."""
        last = self._decisions[-1] if self._decisions else None
        if last is not None and (last.verdict, last.route, last.reason) == (verdict, route, reason):
            self._decisions[-1] = Decision(at, verdict, route, reason, last.count + 1)
        else:
            self._decisions.append(Decision(at, verdict, route, reason))

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """All that are remembered, the oldest first."""
        return tuple(self._decisions)
