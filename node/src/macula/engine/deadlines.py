"""When an engine is to be ticked, asked of few of its parts each time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from macula.core.service import Service
from macula.core.timers import earliest


class Timed(Protocol):
    """A part of the engine that is no service."""

    def next_deadline(self) -> float | None:
        """When to tick next."""
        ...


class Deadlines:
    """The first deadline of all parts. A service is asked again after it was told something; of the others, whose
    deadlines most events only put off, it is remembered until one may have come nearer: a tick too early does no harm.
    """

    def __init__(self, services: Mapping[int, Service], others: Sequence[Timed]) -> None:
        self._services = services
        self._others = others
        self._by_service: dict[int, float | None] = {}
        self._of_others: float | None = None
        self.told = set(services)
        """Services whose deadline may have changed since it was asked."""
        self.stirred = True
        """Whether the deadline of another part may have come nearer since it was asked."""

    def next(self) -> float | None:
        """When to tick, or None for never."""
        for index in self.told:
            self._by_service[index] = self._services[index].next_deadline()
        self.told.clear()
        if self.stirred:
            self.stirred = False
            self._of_others = earliest(*(other.next_deadline() for other in self._others))
        return earliest(self._of_others, *self._by_service.values())
