"""Virtual time: a heap of things to do."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count


class Clock:
    """Actions in the order of their time; equal times in the order in which they were scheduled."""

    EPOCH = 1_700_000_000.0
    """Unix time at the start of a simulation."""

    def __init__(self) -> None:
        self.now = 0.0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._count = count()

    @property
    def wall(self) -> float:
        """Unix time."""
        return self.EPOCH + self.now

    def at(self, time: float, action: Callable[[], None]) -> None:
        """Do something at `time`, or now if that has passed."""
        heapq.heappush(self._heap, (max(time, self.now), next(self._count), action))

    def step(self, until: float) -> bool:
        """Go to the next action and do it; False, with the time at `until`, if there is none before."""
        if not self._heap or self._heap[0][0] > until:
            self.now = max(self.now, until)
            return False
        self.now, _, action = heapq.heappop(self._heap)
        action()
        return True
