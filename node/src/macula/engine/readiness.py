"""Who waits until the node is in the mesh."""

from __future__ import annotations

from collections import deque

from macula.core.effects import Completed, Effect
from macula.core.timers import Timers
from macula.engine.notices import AddressFailed, Notice
from macula.engine.settings import Bootstrap
from macula.errors import PeerUnreachable


class Readiness:
    """The WaitReady commands that are open."""

    def __init__(self, bootstraps: tuple[Bootstrap, ...]) -> None:
        self._names = ", ".join(str(bootstrap.address) for bootstrap in bootstraps)
        self._waiting: Timers[int] = Timers()
        self.waits = False
        """Whether any command may be open."""
        self._failures: deque[str] = deque(maxlen=max(1, len(bootstraps)))

    def wait(self, command: int, until: float) -> None:
        """One more."""
        self._waiting.set(command, until)
        self.waits = True

    def attempted(self, notice: Notice) -> None:
        """An attempt to enter ended; the latest failures are told to who waited in vain."""
        if isinstance(notice, AddressFailed):
            self._failures.append(notice.reason)

    def ready(self) -> list[Effect]:
        """The node is in the mesh."""
        self.waits = False
        return [Completed(command) for command in self._waiting.pop_due(float("inf"))]

    def tick(self, now: float) -> list[Effect]:
        """End those that waited too long."""
        attempts = tuple(self._failures) or ("no answer yet",)
        return [
            Completed(command, error=PeerUnreachable(f"at {self._names}", attempts))
            for command in self._waiting.pop_due(now)
        ]

    def next_deadline(self) -> float | None:
        """When to call tick next."""
        return self._waiting.next()
