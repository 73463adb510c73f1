"""A dial on its way to an answer."""

from __future__ import annotations

from dataclasses import dataclass, field

from macula.core.events import UNREACHABLE, DialFailed
from macula.core.route import Route
from macula.identity import NodeId


@dataclass(slots=True)
class Attempt:
    """One Dial effect: what is still to be tried, and what came of the rest."""

    dial: int
    routes: tuple[Route, ...]
    expected: NodeId | None
    deadline: float
    host: str = ""
    """As of Dial."""
    failures: list[str] = field(default_factory=list)
    code: str = UNREACHABLE
    """As of DialFailed."""

    def failed(self, route: Route, reason: str) -> None:
        """Somebody answered by this route and was of no use: it is not tried again."""
        self.failures.append(f"{route}: {reason}")
        self.routes = tuple(other for other in self.routes if other != route)

    def unanswered(self, routes: tuple[Route, ...], reason: str) -> None:
        """Time is up: nothing is left to be tried."""
        self.failures += [f"{route}: {reason}" for route in routes]
        self.routes = ()

    @property
    def outcome(self) -> DialFailed:
        """The answer to a dial of which nothing came."""
        return DialFailed(self.dial, self.code, "; ".join(self.failures) or "no usable address")
