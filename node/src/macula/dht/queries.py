"""Requests to peers that wait for their answer."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from macula.core.lanes import Lane
from macula.core.peer_record import PeerInfo
from macula.core.requests import LearnPeer, SendFailed, SendTo
from macula.dht.settings import DhtSettings
from macula.dht.turn import Due, DueTimers, Turn
from macula.identity import NodeId
from macula.wire import codes
from macula.wire.messages import FindNode, FindNodeReply, FindValue, FindValueReply, Store, StoreReply

Query = FindNode | FindValue | Store
Reply = FindNodeReply | FindValueReply | StoreReply
_REPLY: dict[type[Query], type[Reply]] = {
    FindNode: FindNodeReply,
    FindValue: FindValueReply,
    Store: StoreReply,
}
_REQUESTS = 2**32

OnReply = Callable[[Turn, Reply], None]
OnFailure = Callable[[Turn], None]
OnStall = Callable[[Turn], None]


@dataclass(slots=True)
class _Pending:
    info: PeerInfo
    query: Query
    token: int
    on_reply: OnReply
    on_failure: OnFailure
    on_stall: OnStall | None
    failed: bool = False
    lost: bool = False


class Queries:
    """Sends queries, gives each answer to whoever asked, and tells when none came.

    `on_failure` is called at most once, after `query_timeout` or as soon as the query could not be sent; `on_reply` at
    most once, also after a failure, for as long as a late answer counts. What a replaced connection may have lost is
    sent again over the new one. `answered` and `failed` hear of every node first; `failed` does not when only this
    node's own queue was full.
    """

    def __init__(
        self,
        settings: DhtSettings,
        rng: random.Random,
        tokens: Iterator[int],
        timers: DueTimers,
        *,
        answered: Callable[[Turn, PeerInfo], None],
        failed: Callable[[Turn, PeerInfo], None],
    ) -> None:
        self._settings = settings
        self._stalled_after = min(settings.stalled_after, settings.query_timeout)
        self._next_request = rng.randrange(_REQUESTS)
        self._tokens = tokens
        self._timers = timers
        self._answered = answered
        self._failed = failed
        self._pending: dict[int, _Pending] = {}
        self._of_token: dict[int, int] = {}
        self._connected: dict[NodeId, None] = {}

    def __len__(self) -> int:
        return len(self._pending)

    def is_connected(self, peer: NodeId) -> bool:
        """Whether there is a connection to the peer."""
        return peer in self._connected

    def are_connected(self, peers: frozenset[NodeId]) -> bool:
        """Whether there are connections to all of these."""
        return peers <= self._connected.keys()

    def ask(
        self,
        turn: Turn,
        info: PeerInfo,
        build: Callable[[int], Query],
        on_reply: OnReply,
        on_failure: OnFailure,
        on_stall: OnStall | None = None,
    ) -> None:
        """Send a node the query that `build` makes with a request number. `on_stall` is called at most once, before
        the others, when no answer has come after `stalled_after`."""
        request = self._next_request
        self._next_request = (request + 1) % _REQUESTS
        pending = _Pending(info, build(request), next(self._tokens), on_reply, on_failure, on_stall)
        self._pending[request] = pending
        self._of_token[pending.token] = request
        patience = self._settings.query_timeout if on_stall is None else self._stalled_after
        self._timers.set((Due.QUERY, request), turn.now + patience)
        if info.node not in self._connected:
            turn.emit(LearnPeer(info))
        turn.emit(SendTo(info.node, Lane.CONTROL, pending.query, pending.token))

    def received(self, turn: Turn, peer: NodeId, reply: Reply) -> None:
        """An answer. One that this peer was not asked for is ignored and traced."""
        pending = self._pending.get(reply.request)
        if pending is None or pending.info.node != peer or type(reply) is not _REPLY[type(pending.query)]:
            turn.refuse("dht.reply.unexpected", peer, f"{type(reply).__name__} {reply.request} answers nothing")
            return
        self._forget(reply.request)
        self._answered(turn, pending.info)
        pending.on_reply(turn, reply)

    def send_failed(self, turn: Turn, event: SendFailed) -> None:
        """A query could not be sent."""
        request = self._of_token.get(event.token)
        if request is None:
            return
        pending = self._forget(request)
        if not pending.failed:
            self._fail(turn, pending, blame=event.code != codes.BUSY)

    def timed_out(self, turn: Turn, request: int) -> None:
        """The timer of a query has come."""
        pending = self._pending[request]
        if pending.failed:
            self._forget(request)
        elif pending.on_stall is not None:
            on_stall, pending.on_stall = pending.on_stall, None
            self._timers.set((Due.QUERY, request), turn.now + self._settings.query_timeout - self._stalled_after)
            on_stall(turn)
        else:
            self._timers.set((Due.QUERY, request), turn.now + self._settings.late_answer)
            self._fail(turn, pending, blame=True)

    def peer_up(self, turn: Turn, peer: NodeId) -> None:
        """A peer is connected: what an earlier connection may have lost is sent again."""
        self._connected[peer] = None
        for pending in self._pending.values():
            if pending.info.node == peer and pending.lost and not pending.failed:
                pending.lost = False
                turn.emit(SendTo(peer, Lane.CONTROL, pending.query, pending.token))

    def peer_down(self, peer: NodeId) -> None:
        """A connection is gone; only a new one or the time-out decides about its queries."""
        self._connected.pop(peer, None)
        for pending in self._pending.values():
            if pending.info.node == peer:
                pending.lost = True

    def peer_gone(self, turn: Turn, peer: NodeId) -> None:
        """A peer said goodbye, or the transport hears nothing of it: no use waiting, though an answer still counts."""
        for request, pending in list(self._pending.items()):
            if pending.info.node == peer and not pending.failed:
                self._timers.set((Due.QUERY, request), turn.now + self._settings.late_answer)
                self._fail(turn, pending, blame=True)

    def _fail(self, turn: Turn, pending: _Pending, blame: bool) -> None:
        pending.failed = True
        if blame:
            self._failed(turn, pending.info)
        pending.on_failure(turn)

    def _forget(self, request: int) -> _Pending:
        pending = self._pending.pop(request)
        del self._of_token[pending.token]
        self._timers.cancel((Due.QUERY, request))
        return pending
