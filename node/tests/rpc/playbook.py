"""One Rpc service on virtual time: feed it events, look at exactly what it wants done."""

from __future__ import annotations

import random
from itertools import count
from typing import Any, TypeVar

from macula.core.commands import CallProcedure, Command, Strategy
from macula.core.deliveries import CallDelivery
from macula.core.effects import CallTrace, Completed, Deliver, Trace
from macula.core.events import CommandGiven, Tick
from macula.core.lanes import Lane
from macula.core.record import Kind, Record
from macula.core.requests import FindRecords, Received, RecordsFound, SendTo
from macula.core.service import Action, ServiceEvent
from macula.identity import NodeId
from macula.rpc.service import Rpc
from macula.rpc.settings import RpcSettings
from macula.wire.messages import Call, Cancel, Message, Reply

REALM = "io.macula.test"
WALL = 1_700_000_000.0
A = TypeVar("A", bound=Action)


def node(number: int) -> NodeId:
    """A node id; higher numbers are higher ids."""
    return NodeId(number.to_bytes(32, "big"))


ME = node(100)
REPLY_TOKEN = 999
"""The first token that an Rpc draws: that of all its replies."""


def record(peer: NodeId, procedure: str = "add", value: Any = None, ttl: int = 300) -> Record:
    """A live record of a provider."""
    value = {"idempotent": False} if value is None else value
    return Record(REALM, Kind.RPC, procedure, peer, 1, int(WALL), ttl, value, b"")


def idempotent(peer: NodeId) -> Record:
    """A live record of a provider whose procedure may be repeated."""
    return record(peer, value={"idempotent": True})


def request(procedure: str = "add", **changes: Any) -> CallProcedure:
    """A call with plain defaults."""
    fields: dict[str, Any] = {"args": b"args", "timeout": 5.0, "strategy": Strategy.ROUND_ROBIN} | changes
    return CallProcedure(procedure, **fields)


def incoming(number: int, procedure: str = "add", args: bytes = b"args", timeout_ms: int = 5000) -> Call:
    """A call from another node, with a call id made from `number`."""
    return Call(REALM, number.to_bytes(16, "big"), procedure, args, timeout_ms)


class Playbook:
    """Feeds events at `now`; every list of actions comes back without traces, which are kept aside."""

    def __init__(self, **settings: Any) -> None:
        self.rpc = Rpc(RpcSettings(**settings), ME, REALM, random.Random(1), count(REPLY_TOKEN))
        self.now = 0.0
        self.traces: list[Trace] = []
        self._commands = count(1)

    def feed(self, event: ServiceEvent) -> list[Action]:
        """What follows from the event."""
        actions = self.rpc.handle(event, self.now, WALL + self.now)
        told = [action for action in actions if isinstance(action, Trace | CallTrace)]
        self.traces += [action.trace if isinstance(action, CallTrace) else action for action in told]
        return [action for action in actions if not isinstance(action, Trace | CallTrace)]

    def give(self, command: Command) -> list[Action]:
        """What follows from a command; the first one has the id 1."""
        return self.feed(CommandGiven(next(self._commands), command))

    def receive(self, peer: NodeId, message: Message, hops: tuple[NodeId, ...] = ()) -> list[Action]:
        """What follows from a message."""
        return self.feed(Received(peer, message, hops))

    def tick_at(self, now: float) -> list[Action]:
        """What follows from reaching a time."""
        self.now = now
        return self.feed(Tick())

    def call(self, *records: Record, **changes: Any) -> list[Action]:
        """Start a call whose providers are not known yet, and answer its lookup."""
        search = one(self.give(request(**changes)), FindRecords)
        return self.feed(RecordsFound(search.token, records))


def one(actions: list[Action], kind: type[A]) -> A:
    """The only action of a kind."""
    (action,) = [action for action in actions if isinstance(action, kind)]
    return action


def sent_call(actions: list[Action]) -> tuple[NodeId, Call, int]:
    """Provider, message and token of the only call sent."""
    (sent,) = [action for action in actions if isinstance(action, SendTo) and isinstance(action.message, Call)]
    assert isinstance(sent.message, Call) and sent.lane is Lane.RPC and sent.token is not None
    return sent.peer, sent.message, sent.token


def sent_cancel(actions: list[Action]) -> SendTo:
    """The only Cancel sent."""
    (sent,) = [action for action in actions if isinstance(action, SendTo) and isinstance(action.message, Cancel)]
    return sent


def sent_reply(actions: list[Action]) -> tuple[SendTo, Reply]:
    """The only reply sent."""
    (sent,) = [action for action in actions if isinstance(action, SendTo) and isinstance(action.message, Reply)]
    assert isinstance(sent.message, Reply)
    return sent, sent.message


def delivered(actions: list[Action]) -> tuple[int, CallDelivery]:
    """The only call delivered to a handler."""
    deliver = one(actions, Deliver)
    assert isinstance(deliver.content, CallDelivery)
    return deliver.delivery, deliver.content


def failure(actions: list[Action]) -> Any:
    """The error of the only command that completed."""
    return one(actions, Completed).error


def reply(call: Call, result: bytes = b"result", error: str = "", reason: str = "") -> Reply:
    """What a provider answers."""
    return Reply(REALM, call.call_id, result, error, reason)
