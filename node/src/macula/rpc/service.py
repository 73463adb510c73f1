"""The RPC service: commands, messages and records on one side, calls to make and to handle on the other."""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from macula.core.commands import (
    Advertise,
    CallProcedure,
    CancelCall,
    Command,
    EndItems,
    ItemTaken,
    SendItem,
    Unadvertise,
)
from macula.core.effects import Completed, PauseReading
from macula.core.events import CommandGiven, HandlerDone, PathMoved, PeerSuspect, SendBlocked, SendReady, Tick
from macula.core.record import Kind
from macula.core.requests import (
    Draining,
    Hold,
    PeerDown,
    PeerUp,
    PublishRecord,
    Received,
    RecordsFound,
    RecordStored,
    RefusePeer,
    Release,
    SendFailed,
    SendTo,
    WithdrawRecord,
)
from macula.core.service import Action, ServiceEvent
from macula.errors import ArgumentError, NodeClosed, ProtocolError
from macula.identity import NodeId
from macula.identity.names import check_name
from macula.rpc.caller import Caller
from macula.rpc.provider import CallProvider
from macula.rpc.settings import RpcSettings
from macula.rpc.streams import Streams
from macula.wire.messages import Call, Cancel, Message, Reply
from macula.wire.streaming import StreamCall, StreamCredit, StreamEnd, StreamItem

_TO_PEER = (SendTo, Hold, Release, PauseReading)


class Rpc:
    """A core.service.Service. A call to this node itself takes the same way as any other, only without the network.

    `rng` draws call ids, so it must be seeded differently in each life of a node: providers remember ids.
    """

    def __init__(
        self, settings: RpcSettings, node_id: NodeId, realm: str, rng: random.Random, tokens: Iterator[int]
    ) -> None:
        self._settings = settings
        self._node_id = node_id
        self._realm = realm
        self._tokens = tokens
        self._streams = Streams(settings.stream_window)
        self._provider = CallProvider(settings, realm, tokens, self._streams)
        self._caller = Caller(settings, realm, (node_id, self._provider.advertised), rng, tokens, self._streams)
        self._stores: dict[int, int] = {}
        self._talks_to_itself = False
        """Whether a call of this node to itself was under way when the last event had been handled."""
        self._checks: dict[type[Command], Callable[[Any], None]] = {
            CallProcedure: self._caller.check,
            Advertise: self._check_advertise,
            Unadvertise: self._check_unadvertise,
        }
        self._commands: dict[type[Command], Callable[[int, Any, float], list[Action]]] = {
            CallProcedure: self._caller.start,
            Advertise: self._advertise,
            Unadvertise: self._unadvertise,
            CancelCall: self._cancel,
            SendItem: self._streams.send,
            EndItems: self._streams.end,
            ItemTaken: self._streams.taken,
        }
        self._messages: dict[type[Message], Callable[[Received, Any, float], list[Action]]] = {
            Call: self._provider.called,
            StreamCall: self._provider.called,
            Cancel: self._provider.cancelled,
            Reply: self._caller.replied,
            StreamItem: self._streamed,
            StreamEnd: self._streamed,
            StreamCredit: self._streamed,
        }

    @property
    def procedures(self) -> tuple[str, ...]:
        """What this node advertises."""
        return tuple(self._provider.advertised)

    @property
    def calls(self) -> int:
        """Calls of this node in flight."""
        return len(self._caller)

    @property
    def handlers(self) -> int:
        """Handlers that run, cancelled ones that have not ended included."""
        return len(self._provider)

    @property
    def idle(self) -> bool:
        """Whether no handler runs and, of a draining node, no caller seems to count on it any more."""
        return self._provider.idle

    def next_deadline(self) -> float | None:
        """When to call handle(Tick()) next."""
        at = min(self._caller.timers.soonest, self._provider.timers.soonest, self._provider.quiet_at)
        return None if at == math.inf else at

    def handle(self, event: ServiceEvent, now: float, wall: float) -> list[Action]:
        """Everything that follows from an event; deadlines that have come go first, however late the Tick is.

        Raises ArgumentError, Busy (too many calls) or NodeClosed (draining) for a command that is refused.
        """
        if type(event) is CommandGiven:
            kind = type(event.command)
            if kind not in self._commands:
                raise ArgumentError("command", f"{kind.__name__} is not one of the RPC service")
            if check := self._checks.get(kind):
                check(event.command)
        late = self._caller.timers.soonest <= now or self._provider.timers.soonest <= now
        expired: list[Action] = []
        if late or type(event) is Tick:
            expired = self._settle([*self._caller.expire(now), *self._provider.expire(now)], now)
        if type(event) is Received:
            take = self._messages.get(type(event.message))
            actions = take(event, event.message, now) if take is not None else []
        elif type(event) is CommandGiven:
            actions = self._commands[type(event.command)](event.id, event.command, now)
        elif type(event) is HandlerDone:
            actions = self._provider.done(event, now)
        else:
            actions = self._told(event, now, wall)
        if self._talks_to_itself or self._node_id in self._caller.in_flight or self._node_id in self._provider.callers:
            actions = self._settle(actions, now)
        return [*expired, *actions] if expired else actions

    def _told(self, event: ServiceEvent, now: float, wall: float) -> list[Action]:
        match event:
            case RecordsFound():
                return self._caller.found(event, now, wall)
            case RecordStored(token):
                return [Completed(self._stores.pop(token))] if token in self._stores else []
            case SendFailed():
                return [*self._caller.send_failed(event, now), *self._provider.send_failed(event)]
            case PeerUp(peer=peer, route=route):
                self._caller.peer_up(peer)
                self._provider.origins.reached(peer, route)
            case PathMoved(peer=peer, route=route):
                self._provider.origins.reached(peer, route)
            case PeerSuspect():
                return self._caller.peer_suspect(event, now)
            case PeerDown(peer):
                self._provider.origins.gone(peer)
                down = [*self._caller.peer_down(event, now), *self._provider.peer_down(peer, now)]
                return [*down, *self._streams.ready(peer, now)]
            case SendBlocked() | SendReady():
                return self._streams.lane(event, now)
            case Draining():
                self._provider.drain(now)
            case _:
                pass
        return []

    def _streamed(self, event: Received, message: StreamItem | StreamEnd | StreamCredit, now: float) -> list[Action]:
        if isinstance(message, StreamEnd) and message.answer:
            return self._caller.ended(event, message, now)
        try:
            return self._streams.arrived(event.peer, message, now)
        except ProtocolError as error:
            return [RefusePeer(event.peer, error.code, error.reason)]

    def _check_advertise(self, command: Advertise) -> None:
        advertised, most = self._provider.advertised, self._settings.max_procedures
        check_name("procedure", command.procedure)
        if self._provider.draining:
            raise NodeClosed("the node is shutting down")
        if command.procedure not in advertised and len(advertised) >= most:
            raise ArgumentError("procedure", f"at most {most} can be advertised")

    def _check_unadvertise(self, command: Unadvertise) -> None:
        if command.procedure not in self._provider.advertised:
            raise ArgumentError("procedure", f"{command.procedure!r} is not advertised")

    def _advertise(self, command_id: int, command: Advertise, now: float) -> list[Action]:
        self._provider.advertised[command.procedure] = command.idempotent
        about = self._realm, Kind.RPC, command.procedure, {"idempotent": command.idempotent}
        return [PublishRecord(self._expect_store(command_id), *about)]

    def _unadvertise(self, command_id: int, command: Unadvertise, now: float) -> list[Action]:
        del self._provider.advertised[command.procedure]
        return [WithdrawRecord(self._expect_store(command_id), self._realm, Kind.RPC, command.procedure)]

    def _cancel(self, command_id: int, command: CancelCall, now: float) -> list[Action]:
        return [*self._caller.cancel(command.command, now), Completed(command_id)]

    def _expect_store(self, command_id: int) -> int:
        token = next(self._tokens)
        self._stores[token] = command_id
        return token

    def _settle(self, actions: list[Action], now: float) -> list[Action]:
        """Carry out what concerns this node as its own peer; the rest is for others."""
        own = self._node_id
        settled: list[Action] = []
        queue = deque(actions)
        while queue:
            action = queue.popleft()
            if isinstance(action, SendTo) and action.peer == own:
                queue.extend(self._messages[type(action.message)](Received(own, action.message), action.message, now))
            elif not (isinstance(action, _TO_PEER) and action.peer == own):
                settled.append(action)
        self._talks_to_itself = own in self._caller.in_flight or own in self._provider.callers
        return settled
