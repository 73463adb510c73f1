"""What a publisher knows of one topic: its counter, who gets it, and what waits."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from macula.identity import NodeId
from macula.pubsub.directory import Listing
from macula.pubsub.outbox import Outbox, Publication


class Topic:
    """Events are numbered from 0 within `epoch`, wall milliseconds of this object's creation: a publisher that forgot a
    topic, or restarted, starts again in a later epoch."""

    def __init__(self, listing: Listing, epoch: int, reorder_wait: float) -> None:
        self.listing = listing
        self.epoch = epoch
        self.waiting: deque[Publication] = deque()
        """Publications in command order that need a fresher list of subscribers."""
        self.outboxes: dict[NodeId, Outbox] = {}
        """Of subscribers with unsettled events."""
        self._next = 0
        self._reorder_wait = reorder_wait
        self._marked_at = 0.0
        self._mark = 0
        self._recent = 0
        self._nodes: tuple[NodeId, ...] = ()
        self._since: dict[NodeId, int] = {}

    @property
    def name(self) -> str:
        """The topic."""
        return self.listing.topic

    @property
    def is_idle(self) -> bool:
        """Whether nothing is lost when this object is forgotten."""
        return not self.waiting and not self.outboxes

    def number(self, nodes: tuple[NodeId, ...], now: float) -> int:
        """The sequence of the next event, which goes to these nodes."""
        self._age(now)
        sequence = self._next
        self._next += 1
        if nodes != self._nodes:
            self._nodes = nodes
            since = self._since
            self._since = {node: since.get(node, sequence) for node in nodes}
        return sequence

    def floors(self, nodes: Iterable[NodeId], sequence: int, now: float) -> dict[int, list[NodeId]]:
        """Publish.floor of the event `sequence`, the lowest sequence that a subscriber may still get: those with the
        same one together, who are nearly always all.

        That is the lowest unsettled one, or lower: a QoS 0 event is not answered, so what was sent within the last
        `reorder_wait` counts as on its way (marks are set at least that far apart, and the last but one counts). It is
        never below the first one this subscriber was sent, so that one who joins does not wait for what is not his.
        """
        self._age(now)
        alike: dict[int, list[NodeId]] = {}
        for node in nodes:
            floor = min(sequence, max(self._recent, self._since.get(node, sequence)))
            outbox = self.outboxes.get(node)
            if outbox is not None and outbox.entries:
                floor = min(floor, outbox.lowest)
            alike.setdefault(floor, []).append(node)
        return alike

    def _age(self, now: float) -> None:
        age = now - self._marked_at
        if age >= self._reorder_wait:
            self._recent = self._next if age >= 2 * self._reorder_wait else self._mark
            self._mark, self._marked_at = self._next, now
