"""A graceful stop under way: what asked for it, and how long it may take."""

from __future__ import annotations

from macula.core.effects import ClosePeer, Completed, Effect
from macula.identity import NodeId
from macula.wire import codes


class ShutdownState:
    """Nothing, then requested, then finished."""

    def __init__(self) -> None:
        self._commands: list[int] = []
        self._deadline: float | None = None
        self.requested = False

    def request(self, command: int, deadline: float) -> bool:
        """Begin, or wait with those who asked before; returns whether this is the first request."""
        first = not self.requested
        self._commands.append(command)
        if first:
            self._deadline = deadline
        self.requested = True
        return first

    def next_deadline(self) -> float | None:
        """When to finish although not everything is done."""
        return self._deadline

    def overdue(self, now: float) -> bool:
        """Whether that time has come."""
        return self._deadline is not None and now >= self._deadline

    def finish(self, peers: list[NodeId]) -> list[Effect]:
        """Close all peers and answer who asked."""
        closing: list[Effect] = []
        if self._deadline is not None:
            closing = [ClosePeer(peer, codes.GOING_AWAY, "the node is stopping") for peer in peers]
        self._deadline = None
        done, self._commands = self._commands, []
        return [*closing, *[Completed(command) for command in done]]
