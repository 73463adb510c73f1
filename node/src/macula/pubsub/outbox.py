"""What is on its way from this node: one publication, and the ordered queue towards one subscriber of one topic."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from enum import Enum, auto

from msgspec import Struct, field

from macula.errors import Timeout
from macula.identity import NodeId


class Publication(Struct, eq=False):
    """One publish command. `pending` are the subscriber nodes that have not settled it; `sequence` is given when the
    subscribers are known, until then it is None."""

    command: int
    topic: str
    payload: bytes
    qos: int
    started: float
    deadline: float
    traceparent: str = ""
    sequence: int | None = None
    pending: dict[NodeId, None] = field(default_factory=dict)
    delivered: list[NodeId] = field(default_factory=list)
    failed: dict[NodeId, str] = field(default_factory=dict)


class State(Enum):
    """Of an event in an outbox."""

    QUEUED = auto()
    """Never sent."""
    SENT = auto()
    """Sent and not answered."""
    AGAIN = auto()
    """Refused or lost: to be sent again."""


class Entry(Struct, eq=False):
    """An event for one subscriber. `cause` is what its failure would be called now."""

    publication: Publication
    sequence: int
    state: State = State.QUEUED
    sent_at: float = 0.0
    token: int | None = None
    cause: str = Timeout.code


class Outbox:
    """The unsettled events of one topic for one subscriber node, lowest sequence first.

    `down` says that the way to the subscriber failed: then nothing is sent before the next retry, so that nothing
    overtakes what was lost. A refusal (busy) does not hold back first sends: the subscriber keeps order itself, and a
    full subscription must not delay the others of its node.
    """

    def __init__(self, topic: str, node: NodeId, window: int, queue: int, patience: float) -> None:
        self.topic = topic
        self.node = node
        self.entries: dict[int, Entry] = {}
        self.queued: deque[Entry] = deque()
        """Those that were never sent: the last ones."""
        self.down = False
        self.attempts = 0
        self.patience = patience
        self._window = window
        self._size = window + queue

    @property
    def is_full(self) -> bool:
        """Whether no more fits in window and queue."""
        return len(self.entries) >= self._size

    @property
    def holds_back(self) -> bool:
        """Whether what is sent past this outbox would overtake an event that was never sent or was lost."""
        return self.down or bool(self.queued)

    @property
    def lowest(self) -> int:
        """The lowest unsettled sequence; there is one."""
        return next(iter(self.entries))

    def add(self, publication: Publication, sequence: int) -> Entry | None:
        """Append an event; its sequence is above all before it. Returns what is to be sent at once: it, if it overtakes
        nothing and the window has room."""
        entry = self.entries[sequence] = Entry(publication, sequence)
        self.queued.append(entry)
        return next(self.sendable(retry=False), None)

    def remove(self, entry: Entry) -> None:
        """It is settled."""
        del self.entries[entry.sequence]
        if entry.state is State.QUEUED:
            self.queued.remove(entry)

    def sendable(self, retry: bool) -> Iterator[Entry]:
        """The entries to send now, in order, which count as sent then.

        First sends up to the window; with `retry` those to be sent again too, which stand before them.
        """
        if self.down:
            return
        if retry:
            for entry in [entry for entry in self.entries.values() if entry.state is State.AGAIN]:
                entry.state = State.SENT
                yield entry
        while self.queued and len(self.entries) - len(self.queued) < self._window:
            entry = self.queued.popleft()
            entry.state = State.SENT
            yield entry
