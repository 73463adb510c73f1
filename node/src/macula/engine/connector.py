"""Single messages by hand: send one to a node or an address, or send it and wait for its answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from macula.core.address import Address
from macula.core.commands import Reach, RequestRaw, SendRaw
from macula.core.effects import Completed
from macula.core.lanes import Lane
from macula.core.peer_record import RelayPlace
from macula.core.requests import Hold, PeerDown, Punch, Received, Release, SendFailed, SendTo
from macula.core.service import Action
from macula.core.timers import Timers
from macula.engine.dialer import DISCONNECTED
from macula.engine.notices import AddressFailed, AddressUp
from macula.engine.peers import PeerTable
from macula.errors import ArgumentError, Busy, Disconnected, MeshError, PeerUnreachable, Timeout, call_error
from macula.identity import NodeId
from macula.wire import codes, encode
from macula.wire.messages import (
    Call,
    Cancel,
    FindNode,
    FindNodeReply,
    FindValue,
    FindValueReply,
    Message,
    Ping,
    Pong,
    Publish,
    PublishAck,
    PubsubRoute,
    Reply,
    RouteError,
    RpcRoute,
    Store,
    StoreReply,
)

MAX_OPEN = 1024
"""Most commands that wait at a time."""

_ANSWERS: dict[type[Message], type[Message]] = {
    Ping: Pong,
    Call: Reply,
    FindNode: FindNodeReply,
    FindValue: FindValueReply,
    Store: StoreReply,
    RpcRoute: RouteError,
    PubsubRoute: RouteError,
}

_Answer = tuple[NodeId, type[Message], int | bytes | None]
"""Who has to answer, with what, and the number that it repeats."""


@dataclass(slots=True)
class _Open:
    command: SendRaw | RequestRaw
    peer: NodeId | None = None
    answer: _Answer | None = None
    detours: list[tuple[Address, bool]] = field(default_factory=list)
    """Addresses to try before the node's record is asked, and whether each is a relay's."""


class Connector:
    """Open SendRaw and RequestRaw commands; each is completed once, at its timeout at the latest."""

    def __init__(self, tokens: Iterator[int]) -> None:
        self._tokens = tokens
        self._open: dict[int, _Open] = {}
        self._by_dial: dict[int, int] = {}
        self._by_token: dict[int, int] = {}
        self.awaited: dict[_Answer, int] = {}
        """Requests that wait for their answer."""
        self.sending: dict[int, tuple[NodeId, Lane]] = {}
        """One-way messages that the transport has yet to take."""
        self._timers: Timers[int] = Timers()

    def start(self, id_: int, command: SendRaw | RequestRaw, peers: PeerTable, now: float) -> list[Action]:
        """Begin a command. Raises ArgumentError for a message that cannot be encoded or a request that has no answer,
        Busy over MAX_OPEN."""
        if len(self._open) >= MAX_OPEN:
            raise Busy(f"{MAX_OPEN} messages are waiting already")
        encode(command.message)
        if isinstance(command, RequestRaw) and type(command.message) not in _ANSWERS:
            raise ArgumentError("message", f"{type(command.message).__name__} has no answer to wait for")
        entry = self._open[id_] = _Open(command)
        self._timers.set(id_, now + command.timeout)
        if isinstance(command.target, NodeId):
            spared: list[Action] = []
            if isinstance(command, SendRaw) and not peers.is_up(command.target):
                entry.detours = _detours(command.reach)
                if not command.reach.punch and not peers.is_wanted(command.target):
                    spared.append(Punch(command.target, False))
            return [*spared, *self._next(id_, entry, command.target, peers)]
        dial, effect = peers.dial_address(command.target, None, command.timeout)
        self._by_dial[dial] = id_
        return [effect]

    def notice(self, notice: AddressUp | AddressFailed, peers: PeerTable) -> list[Action]:
        """An address was connected to, or not; those of others are ignored."""
        id_ = self._by_dial.pop(notice.dial, None)
        entry = self._open.get(id_) if id_ is not None else None
        if id_ is None or entry is None:
            return []
        if isinstance(entry.command.target, NodeId):
            at, is_relay = entry.detours.pop(0)
            if isinstance(notice, AddressUp) and is_relay:
                peers.prefer_relay(entry.command.target, RelayPlace(notice.peer, at))
            return self._next(id_, entry, entry.command.target, peers)
        if isinstance(notice, AddressUp):
            return self._send(id_, entry, notice.peer)
        return self._finish(id_, error=PeerUnreachable(str(entry.command.target), (notice.reason,)))

    def answer(self, received: Received) -> list[Action] | None:
        """Complete the request that this message answers; None if no command waits for it."""
        message = received.message
        id_ = self.awaited.get((received.peer, type(message), _number(message)))
        return None if id_ is None else self._finish(id_, result=message)

    def send_failed(self, event: SendFailed) -> list[Action]:
        """The message could not be sent."""
        id_ = self._by_token.pop(event.token, None)
        if id_ is None:
            return []
        if event.code in (DISCONNECTED, codes.NO_ROUTE):
            return self._finish(id_, error=PeerUnreachable(event.peer.short, (event.reason,)))
        return self._finish(id_, error=call_error(event.code, event.reason))

    def peer_down(self, event: PeerDown) -> list[Action]:
        """Requests that wait for this peer end as Disconnected, or with the code of its refusal."""
        ids = [id_ for (peer, _, _), id_ in self.awaited.items() if peer == event.peer]
        reason = f"{event.code}: {event.reason}"
        return [action for id_ in ids for action in self._finish(id_, error=Disconnected(reason))]

    def tick(self, now: float, peers: PeerTable) -> list[Action]:
        """End what waited too long."""
        actions: list[Action] = []
        for id_ in self._timers.pop_due(now):
            entry = self._open[id_]
            waited = f"{entry.command.timeout:g} s"
            error: MeshError = Timeout(f"{type(entry.command.message).__name__} was not answered in {waited}")
            if entry.peer is None or not peers.is_up(entry.peer):
                error = PeerUnreachable(str(entry.command.target), (f"no connection in {waited}",))
            actions += self._finish(id_, error=error)
        return actions

    def next_deadline(self) -> float | None:
        """When to call tick next."""
        return self._timers.next()

    def flush(self, peers: PeerTable) -> list[Action]:
        """Complete the one-way messages that the transport has: their peer is up, their lane has no queue."""
        sent = [id_ for id_, (peer, lane) in self.sending.items() if peers.is_clear(peer, lane)]
        return [action for id_ in sent for action in self._finish(id_)]

    def _next(self, id_: int, entry: _Open, target: NodeId, peers: PeerTable) -> list[Action]:
        if not entry.detours or peers.is_up(target):
            return self._send(id_, entry, target)
        address, is_relay = entry.detours[0]
        dial, effect = peers.dial_address(address, None if is_relay else target, entry.command.timeout / 3)
        self._by_dial[dial] = id_
        return [effect]

    def _send(self, id_: int, entry: _Open, peer: NodeId) -> list[Action]:
        message = entry.command.message
        actions: list[Action] = []
        if isinstance(entry.command, RequestRaw):
            answer = (peer, _ANSWERS[type(message)], _number(message))
            if answer in self.awaited:
                return self._finish(id_, error=Busy("a request with this number waits for this peer already"))
            self.awaited[answer] = id_
            entry.answer = answer
            actions.append(Hold(peer))
        else:
            self.sending[id_] = (peer, _lane(message))
        entry.peer = peer
        token = next(self._tokens)
        self._by_token[token] = id_
        return [*actions, SendTo(peer, _lane(message), message, token, sought=True)]

    def _finish(self, id_: int, result: Message | None = None, error: MeshError | None = None) -> list[Action]:
        entry = self._open.pop(id_)
        self._timers.cancel(id_)
        self.sending.pop(id_, None)
        for index in (self._by_token, self._by_dial):
            for number in [number for number, value in index.items() if value == id_]:
                del index[number]
        actions: list[Action] = [Completed(id_, result, error)]
        if entry.answer is not None:
            del self.awaited[entry.answer]
            actions.append(Release(entry.answer[0]))
        return actions


def _number(message: Message) -> int | bytes | None:
    if isinstance(message, Call | Reply):
        return message.call_id
    if isinstance(message, RpcRoute | PubsubRoute | RouteError):
        return message.envelope_id
    number: int | None = getattr(message, "request", None)
    return number


def _lane(message: Message) -> Lane:
    match message:
        case Call() | Reply() | Cancel():
            return Lane.RPC
        case Publish() | PublishAck():
            return Lane.PUBSUB
        case _:
            return Lane.CONTROL


def _detours(reach: Reach) -> list[tuple[Address, bool]]:
    detours = ((reach.endpoint, False), (reach.relay, True))
    return [(address, is_relay) for address, is_relay in detours if address is not None]
