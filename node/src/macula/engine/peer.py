"""What is known of one connection."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum, auto

from macula.core.events import MessageReceived
from macula.core.lanes import Lane
from macula.core.peer_record import PeerInfo
from macula.core.results import PeerStatus
from macula.core.route import Route
from macula.engine.send_queue import SendQueue
from macula.identity import NodeId
from macula.wire.compression import ZSTD_CAPABILITY
from macula.wire.messages import Hello
from macula.wire.tracing import TRACE_CAPABILITY

MAX_EARLY = 64
MAX_EARLY_BYTES = 1 << 20
"""Messages, and bytes of their frames, that may overtake a hello: lanes are streams of their own, so what was sent on
another lane arrives first if the hello's packet is lost."""


class State(Enum):
    """How far a connection is: until the peer's hello it is GREETING."""

    GREETING = auto()
    UP = auto()
    CLOSING = auto()


@dataclass(slots=True)
class Peer:
    """One connection: who said hello on it, and what waits for it."""

    inbound: bool
    since: float
    waiting: SendQueue
    route: Route
    state: State = State.GREETING
    dials: list[int] = field(default_factory=list)
    info: PeerInfo | None = None
    clock: float = 0.0
    suspect: bool = False
    realms: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    compresses: bool = False
    """Whether it understands compressed frames."""
    traces: bool = False
    """Whether it wants to know of which span a message is a part."""
    agreed: str | None = None
    """The realm of its last message, which both sides serve: most messages are of one realm."""
    touched: float = -math.inf
    """When a message of it was last counted as a use of the connection."""
    early: list[MessageReceived] = field(default_factory=list)
    blocked: set[Lane] = field(default_factory=set)
    queues: dict[Lane, SendQueue] = field(default_factory=dict)

    def greet(self, hello: Hello, info: PeerInfo) -> None:
        """It has said a hello that is accepted."""
        self.state, self.info, self.realms, self.capabilities = State.UP, info, hello.realms, hello.capabilities
        self.compresses, self.traces = ZSTD_CAPABILITY in self.capabilities, TRACE_CAPABILITY in self.capabilities

    def status(self, node: NodeId) -> PeerStatus | None:
        """As the application is told; None while it is not up."""
        if self.state is not State.UP or self.info is None:
            return None
        who = node, self.info.name, self.info.mode
        return PeerStatus(*who, self.inbound, self.since, self.clock, self.suspect, self.capabilities)

    def keep_early(self, event: MessageReceived) -> bool:
        """Keep a message that overtook the hello; False if there is no room for it."""
        size = sum(message.size for message in self.early) + event.size
        if len(self.early) >= MAX_EARLY or size > MAX_EARLY_BYTES:
            return False
        self.early.append(event)
        return True
