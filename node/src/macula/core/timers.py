"""Named deadlines of a state machine."""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


def earliest(*deadlines: float | None) -> float | None:
    """The first of these; None is never."""
    first = None
    for at in deadlines:
        if at is not None and (first is None or at < first):
            first = at
    return first


class Timers(Generic[K]):
    """At most one deadline for each key, in `now` seconds. Setting and cancelling cost O(log n), the next one O(1)."""

    def __init__(self) -> None:
        self._due: dict[K, tuple[float, int, K]] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._count = 0
        self.soonest = float("inf")
        """No deadline is earlier, and without any it is infinity. There may be none at this time, if it was cancelled,
        until `pop_due` is called then: ask `next` for the very one."""

    def set(self, key: K, at: float) -> None:
        """Replace the key's deadline."""
        self._count += 1
        if at < self.soonest:
            self.soonest = at
        deadline = self._due[key] = (at, self._count, key)
        heapq.heappush(self._heap, deadline)
        # Replaced deadlines stay in the heap until they come up; a far one that is replaced often would pile up.
        if len(self._heap) > 64 and len(self._heap) > 4 * len(self._due):
            self._heap = list(self._due.values())
            heapq.heapify(self._heap)

    def cancel(self, key: K) -> None:
        """Forget the key's deadline, if it has one."""
        self._due.pop(key, None)
        if not self._due:
            self._heap.clear()
            self.soonest = float("inf")

    def __contains__(self, key: K) -> bool:
        return key in self._due

    def next(self) -> float | None:
        """The earliest deadline."""
        while self._heap:
            deadline = self._heap[0]
            if self._due.get(deadline[2]) is deadline:
                return deadline[0]
            heapq.heappop(self._heap)
        return None

    def pop_due(self, now: float) -> list[K]:
        """Remove and return the keys whose deadline has come, earliest first; equal ones in the order they were set."""
        due: list[K] = []
        heap = self._heap
        while heap:
            deadline = heap[0]
            key = deadline[2]
            if self._due.get(key) is deadline:
                if deadline[0] > now:
                    break
                del self._due[key]
                due.append(key)
            heapq.heappop(heap)
        self.soonest = heap[0][0] if heap else float("inf")
        return due
