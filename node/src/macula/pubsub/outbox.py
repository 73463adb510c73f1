"""What is on its way from this node: one publication, and the ordered queue towards one subscriber of one topic."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto

from msgspec import Struct, field

from macula.errors import Timeout
from macula.identity import NodeId
from macula.wire.messages import Publish


class Publication(Struct, eq=False):
    """One publish command. `pending` are the subscriber nodes that have not settled it; `sequence` is given when the
    subscribers are known, until then it is None. `message` is what was sent last of it."""

    command: int
    topic: str
    payload: bytes
    qos: int
    started: float
    deadline: float
    traceparent: str = ""
    sequence: int | None = None
    message: Publish | None = None
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
        return self.down or (bool(self.entries) and next(reversed(self.entries.values())).state is State.QUEUED)

    @property
    def lowest(self) -> int:
        """The lowest unsettled sequence; there is one."""
        return next(iter(self.entries))

    def add(self, publication: Publication, sequence: int) -> None:
        """Append an event; its sequence is above all before it."""
        self.entries[sequence] = Entry(publication, sequence)

    def sendable(self, retry: bool) -> Iterator[Entry]:
        """The entries to send now, in order. The caller marks each as sent (or settles it) before taking the next.

        First sends up to the window; with `retry` those to be sent again too, which stand before them.
        """
        if self.down:
            return
        unanswered = 0
        for entry in list(self.entries.values()):
            if entry.state is State.QUEUED and unanswered >= self._window:
                return
            if entry.state is State.QUEUED or (retry and entry.state is State.AGAIN):
                yield entry
            unanswered += entry.publication.qos
