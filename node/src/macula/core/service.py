"""The contract between the engine and its services."""

from __future__ import annotations

from typing import Protocol

from macula.core.effects import Effect
from macula.core.events import CommandGiven, Consumed, DatagramReceived, PeerSuspect, Tick
from macula.core.requests import (
    Answer,
    Draining,
    FindPeer,
    FindRecords,
    PeerDown,
    PeerFound,
    PeerUp,
    PublishRecord,
    Received,
    RecordsFound,
    RecordStored,
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
    | Received
    | DatagramReceived
    | SendFailed
    | RecordsFound
    | PeerFound
    | RecordStored
    | SelfChanged
    | Draining
    | Consumed
    | CommandGiven
    | FindRecords
    | FindPeer
    | PublishRecord
    | WithdrawRecord
    | Route
)
"""Each service is told what concerns it: its own messages, commands, deliveries and answers, and all PeerUp, PeerDown,
PeerSuspect, SelfChanged and Draining. Only the NAT service gets DatagramReceived, only the DHT gets FindRecords,
FindPeer, PublishRecord and WithdrawRecord, only the envelope router gets Route."""

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
