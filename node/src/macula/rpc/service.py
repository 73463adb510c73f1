"""The RPC service: commands, messages and records on one side, calls to make and to handle on the other."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator, Sequence

from macula.core.commands import (
    Advertise,
    CallProcedure,
    CancelCall,
    Command,
    EndItems,
    HandlerDone,
    ItemTaken,
    SendItem,
    Unadvertise,
)
from macula.core.effects import Completed, PauseReading
from macula.core.events import CommandGiven, PathMoved, PeerSuspect, SendBlocked, SendReady, Tick
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
from macula.core.timers import earliest
from macula.errors import ArgumentError, NodeClosed, ProtocolError
from macula.identity import NodeId
from macula.identity.names import check_name
from macula.rpc.caller import Caller
from macula.rpc.provider import CallProvider
from macula.rpc.settings import RpcSettings
from macula.rpc.streams import Streams
from macula.wire.messages import Call, Cancel, Reply
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
        return earliest(self._caller.next_deadline(), self._provider.next_deadline())

    def handle(self, event: ServiceEvent, now: float, wall: float) -> list[Action]:
        """Everything that follows from an event; deadlines that have come go first, however late the Tick is.

        Raises ArgumentError, Busy (too many calls) or NodeClosed (draining) for a command that is refused.
        """
        if isinstance(event, CommandGiven):
            self._check(event.command)
        late = self._caller.timers.soonest <= now or self._provider.timers.soonest <= now
        if not late and not isinstance(event, Tick):
            return [*self._settle(self._handle(event, now, wall), now)]
        expired = self._settle([*self._caller.expire(now), *self._provider.expire(now)], now)
        return [*expired, *self._settle(self._handle(event, now, wall), now)]

    def _check(self, command: Command) -> None:
        match command:
            case CallProcedure():
                self._caller.check(command)
            case HandlerDone() | CancelCall() | SendItem() | EndItems() | ItemTaken():
                pass
            case Advertise(procedure):
                advertised, most = self._provider.advertised, self._settings.max_procedures
                check_name("procedure", procedure)
                if self._provider.draining:
                    raise NodeClosed("the node is shutting down")
                if procedure not in advertised and len(advertised) >= most:
                    raise ArgumentError("procedure", f"at most {most} can be advertised")
            case Unadvertise(procedure):
                if procedure not in self._provider.advertised:
                    raise ArgumentError("procedure", f"{procedure!r} is not advertised")
            case _:
                raise ArgumentError("command", f"{type(command).__name__} is not one of the RPC service")

    def _handle(self, event: ServiceEvent, now: float, wall: float) -> Sequence[Action]:
        match event:
            case Received():
                return self._received(event, now)
            case CommandGiven(command_id, command):
                return self._command(command_id, command, now)
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

    def _received(self, event: Received, now: float) -> Sequence[Action]:
        match event.message:
            case Call() | StreamCall():
                return self._provider.called(event, event.message, now)
            case Cancel():
                return self._provider.cancelled(event, event.message, now)
            case Reply():
                return self._caller.replied(event, event.message, now)
            case StreamEnd(answer=True):
                return self._caller.ended(event, event.message, now)
            case StreamItem() | StreamEnd() | StreamCredit():
                try:
                    return self._streams.arrived(event.peer, event.message, now)
                except ProtocolError as error:
                    return [RefusePeer(event.peer, error.code, error.reason)]
            case _:
                return []

    def _command(self, command_id: int, command: Command, now: float) -> Sequence[Action]:
        match command:
            case CallProcedure():
                return self._caller.start(command_id, command, now)
            case HandlerDone():
                return [*self._provider.done(command, now), Completed(command_id)]
            case Advertise(procedure, idempotent):
                self._provider.advertised[procedure] = idempotent
                token = self._expect_store(command_id)
                return [PublishRecord(token, self._realm, Kind.RPC, procedure, {"idempotent": idempotent})]
            case Unadvertise(procedure):
                del self._provider.advertised[procedure]
                return [WithdrawRecord(self._expect_store(command_id), self._realm, Kind.RPC, procedure)]
            case CancelCall(call):
                return [*self._caller.cancel(call, now), Completed(command_id)]
            case SendItem(stream, answer, payload):
                return self._streams.send(command_id, stream, answer, payload, now)
            case EndItems(stream):
                return self._streams.end(command_id, stream, now)
            case ItemTaken(stream, answer):
                return self._streams.taken(command_id, stream, answer, now)
            case _:
                return []

    def _expect_store(self, command_id: int) -> int:
        token = next(self._tokens)
        self._stores[token] = command_id
        return token

    def _settle(self, actions: Sequence[Action], now: float) -> Sequence[Action]:
        """Carry out what concerns this node as its own peer; the rest is for others."""
        own = self._node_id
        for action in actions:
            if isinstance(action, _TO_PEER) and action.peer == own:
                return self._loop_back(actions, now)
        return actions

    def _loop_back(self, actions: Sequence[Action], now: float) -> list[Action]:
        own = self._node_id
        settled: list[Action] = []
        queue = deque(actions)
        while queue:
            action = queue.popleft()
            if isinstance(action, SendTo) and action.peer == own:
                queue.extend(self._received(Received(own, action.message), now))
            elif not (isinstance(action, _TO_PEER) and action.peer == own):
                settled.append(action)
        return settled
