"""Puts the events of one publisher and topic back into order, and tells repeats from losses.

Sequences count per publisher *and topic*: a subscriber gets all events of a topic or none of them, so every number it
does not see is a loss. One counter per publisher would show false gaps to everybody who does not subscribe all topics,
which is everybody with a pattern.
"""

from __future__ import annotations

from bisect import bisect_right
from enum import Enum, auto
from typing import Generic, TypeVar

T = TypeVar("T")

MAX_LOSSES = 64
"""Gaps that a window remembers; older sequences count as lost, so that what was not seen is never taken as seen."""


class Place(Enum):
    """Where a sequence stands in its window."""

    NEXT = auto()
    """The one expected."""
    AHEAD = auto()
    """It overtook others."""
    HELD = auto()
    """It is held already, for those it overtook."""
    SEEN = auto()
    """It was let through before."""
    LATE = auto()
    """It was given up, or is from before this window."""


class Window(Generic[T]):
    """The sequences of one publisher, topic and epoch from `base` on. `next` is the lowest not let through or given up.

    The caller bounds `held`: it puts only what it wants held.
    """

    def __init__(self, base: int) -> None:
        self.next = base
        self.held: dict[int, T] = {}
        self._horizon = base
        self._lost_from: list[int] = []
        self._lost_to: list[int] = []

    def place(self, sequence: int) -> Place:
        """Where this sequence stands now."""
        if sequence >= self.next:
            if sequence in self.held:
                return Place.HELD
            return Place.NEXT if sequence == self.next else Place.AHEAD
        if sequence < self._horizon:
            return Place.LATE
        index = bisect_right(self._lost_from, sequence) - 1
        return Place.LATE if index >= 0 and sequence < self._lost_to[index] else Place.SEEN

    def put(self, sequence: int, item: T) -> list[T]:
        """Add an item whose place is NEXT or AHEAD; returns those that are in order now, lowest first."""
        if sequence == self.next and not self.held:
            self.next += 1
            return [item]
        self.held[sequence] = item
        return self._run()

    def skip_to(self, sequence: int) -> list[T]:
        """Nothing more is expected below `sequence`: what is held below and right above it is let through, the rest is
        lost."""
        out: list[T] = []
        for held in sorted(held for held in self.held if held < sequence):
            self._lose_to(held)
            out += self._run()
        self._lose_to(sequence)
        return out + self._run()

    def _run(self) -> list[T]:
        out: list[T] = []
        while self.next in self.held:
            out.append(self.held.pop(self.next))
            self.next += 1
        return out

    def _lose_to(self, sequence: int) -> None:
        if sequence <= self.next:
            return
        self._lost_from.append(self.next)
        self._lost_to.append(sequence)
        self.next = sequence
        if len(self._lost_from) > MAX_LOSSES:
            del self._lost_from[0]
            self._horizon = self._lost_to.pop(0)
