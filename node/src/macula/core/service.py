"""The contract between the engine and its services."""

from __future__ import annotations

from typing import Protocol

from macula.core.effects import Effect
from macula.core.events import (
    CommandGiven,
    Consumed,
    DatagramReceived,
    HandlerDone,
    PathMoved,
    PeerSuspect,
    SendBlocked,
    SendReady,
    SocketFailed,
    SocketOpened,
    Tick,
)
from macula.core.requests import (
    Answer,
    ClockMoved,
    Draining,
    FindPeer,
    FindRecords,
    PeerDown,
    PeerFound,
    PeerUp,
    PublishRecord,
    Punch,
    ReachVia,
    Received,
    RecordsFound,
    RecordStored,
    RelaysReady,
    Request,
    Route,
    SelfChanged,
    SendFailed,
    WithdrawRecord,
)

ServiceEvent = (
    Tick
    | PeerUp
    | PeerDown
    | PeerSuspect
    | PathMoved
    | Received
    | DatagramReceived
    | SocketOpened
    | SocketFailed
    | SendFailed
    | RecordsFound
    | PeerFound
    | RecordStored
    | RelaysReady
    | SelfChanged
    | ClockMoved
    | Draining
    | SendBlocked
    | SendReady
    | Consumed
    | HandlerDone
    | CommandGiven
    | FindRecords
    | FindPeer
    | PublishRecord
    | WithdrawRecord
    | ReachVia
    | Punch
    | Route
)
"""Each service is told what concerns it: its own messages, commands, deliveries and answers, and all PeerUp, PeerDown,
PeerSuspect, PathMoved, SelfChanged and Draining. Only the RPC service gets SendBlocked and SendReady, of the bulk lane;
only the NAT service gets DatagramReceived, SocketOpened, SocketFailed and Punch, only the DHT gets FindRecords,
FindPeer, PublishRecord and WithdrawRecord, only the envelope router gets Route, only the user of relays gets
ReachVia."""

Action = Effect | Request | Answer
"""What a service wants done: an effect for the world, a request to the rest of the node, or the answer to one."""


class Service(Protocol):
    """One protocol's state machine. Deterministic: the same events at the same times give the same actions."""

    def handle(self, event: ServiceEvent, now: float, wall: float) -> list[Action]:
        """Everything that follows from one event. Never raises on what a remote did; raises MeshError (and changes
        nothing) on a CommandGiven that is wrong, which completes the command with that error."""
        ...

    def next_deadline(self) -> float | None:
        """When (in `now`) to call handle(Tick()) next, at the latest. Changes with every handle."""
        ...
