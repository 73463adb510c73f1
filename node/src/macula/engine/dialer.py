"""Messages for peers that are not connected: find the address, dial once, or fall back to an envelope."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cachetools import LRUCache

from macula.core.address import Address
from macula.core.effects import Dial, Trace
from macula.core.events import DialFailed
from macula.core.peer_record import PeerInfo
from macula.core.requests import FindPeer, Route, SendFailed, SendTo
from macula.engine.send_queue import SendQueue
from macula.engine.settings import PoolSettings
from macula.identity import NodeId
from macula.wire import codes
from macula.wire.messages import Call, Cancel, Publish, PublishAck, Reply

Outcome = Dial | FindPeer | Route | SendFailed | Trace

_ROUTABLE = (Call, Reply, Cancel, Publish, PublishAck)
DISCONNECTED = "disconnected"


@dataclass(slots=True)
class _Attempt:
    peer: NodeId
    waiting: SendQueue
    under_way: int | None = None
    tried: tuple[Address, ...] = ()
    searched: bool = False


class Dialer:
    """At most one attempt to connect to each peer, however many messages wait for it (single flight)."""

    def __init__(self, settings: PoolSettings, tokens: Iterator[int]) -> None:
        self._settings = settings
        self._tokens = tokens
        self._book: LRUCache[NodeId, PeerInfo] = LRUCache(settings.address_book)
        self._attempts: dict[NodeId, _Attempt] = {}
        self._under_way: dict[int, _Attempt] = {}
        self._backoff: LRUCache[NodeId, float] = LRUCache(settings.address_book)
        self.closed = False
        """Whether no new attempt is made: the node is shutting down."""

    def learn(self, info: PeerInfo) -> None:
        """Keep a peer record for dialing, unless a newer one is known."""
        known = self._book.get(info.node)
        if known is None or known.record.seq < info.record.seq:
            self._book[info.node] = info
            if known is None or (known.addresses, known.reachable) != (info.addresses, info.reachable):
                self._backoff.pop(info.node, None)

    def known(self, peer: NodeId) -> PeerInfo | None:
        """The latest peer record seen of a node."""
        return self._book.get(peer)

    def send(self, request: SendTo, now: float) -> list[Outcome]:
        """Connect for this message, or join the attempt that is under way."""
        attempt = self._attempts.get(request.peer)
        if attempt is not None:
            if attempt.waiting.put(request):
                return []
            return _failed(request, codes.BUSY, "too many messages wait for this peer's connection")
        if request.routed and request.peer in self._book:
            return self._fall_back(request, "no connection")
        if self.closed:
            return _failed(request, DISCONNECTED, "this node is shutting down")
        if self._backoff.get(request.peer, now) > now:
            return self._fall_back(request, "could not be dialed a moment ago")
        attempt = self._attempts[request.peer] = _Attempt(request.peer, SendQueue(self._settings))
        attempt.waiting.put(request)
        info = self._book.get(request.peer)
        if info is not None:
            return self._dial_or_give_up(attempt, info, now)
        return self._search(attempt, now, "no known address")

    def connected(self, peer: NodeId) -> list[SendTo]:
        """The peer is up, by this attempt or by its own; returns the messages that waited for it."""
        self._backoff.pop(peer, None)
        attempt = self._attempts.pop(peer, None)
        return attempt.waiting.take() if attempt else []

    def answered(self, dial: int) -> None:
        """The transport connected for this dial; hello is still to come."""
        self._take(dial)

    def dial_failed(self, event: DialFailed, now: float) -> list[Outcome]:
        """The transport could not connect."""
        attempt = self._take(event.dial)
        if attempt is None:
            return []
        outcomes = self._search(attempt, now, event.reason)
        if event.code != codes.BAD_IDENTITY:
            return outcomes
        fields = {"peer": attempt.peer.short, "reason": event.reason}
        return [Trace("dial.wrong_identity", fields, limit=f"dial {attempt.peer}"), *outcomes]

    def refused(self, peer: NodeId, reason: str, now: float) -> list[Outcome]:
        """A connection to the peer was lost before its hello was accepted."""
        attempt = self._attempts.get(peer)
        if attempt is None or attempt.under_way is not None:
            # It was not this attempt's connection: that one is still to come.
            return []
        return self._search(attempt, now, reason)

    def found(self, token: int, info: PeerInfo | None, now: float) -> list[Outcome]:
        """The DHT answered FindPeer; `info`, if any, was learned already."""
        attempt = self._take(token)
        if attempt is None:
            return []
        if info is None:
            return self._give_up(attempt, now, "no peer record found")
        return self._dial_or_give_up(attempt, info, now)

    def _take(self, token: int) -> _Attempt | None:
        """The attempt that waits for this dial or search; None if it succeeded by other means meanwhile."""
        attempt = self._under_way.pop(token, None)
        if attempt is None or self._attempts.get(attempt.peer) is not attempt:
            return None
        attempt.under_way = None
        return attempt

    def _begin(self, attempt: _Attempt) -> int:
        token = attempt.under_way = next(self._tokens)
        self._under_way[token] = attempt
        return token

    def _dial_or_give_up(self, attempt: _Attempt, info: PeerInfo, now: float) -> list[Outcome]:
        if not info.reachable or not info.addresses:
            return self._give_up(attempt, now, "its peer record says that it cannot be reached directly")
        if info.addresses == attempt.tried:
            return self._give_up(attempt, now, f"no answer at {', '.join(map(str, attempt.tried))}")
        attempt.tried = info.addresses
        return [Dial(self._begin(attempt), info.addresses, attempt.peer, self._settings.dial_timeout)]

    def _search(self, attempt: _Attempt, now: float, reason: str) -> list[Outcome]:
        # A message of the DHT itself must not start another lookup: lookups of dead nodes would feed each other.
        if attempt.searched or not any(isinstance(request.message, _ROUTABLE) for request in attempt.waiting):
            return self._give_up(attempt, now, reason)
        attempt.searched = True
        return [FindPeer(self._begin(attempt), attempt.peer)]

    def _give_up(self, attempt: _Attempt, now: float, reason: str) -> list[Outcome]:
        del self._attempts[attempt.peer]
        self._backoff[attempt.peer] = now + self._settings.dial_backoff
        return [outcome for request in attempt.waiting for outcome in self._fall_back(request, reason)]

    def _fall_back(self, request: SendTo, reason: str) -> list[Outcome]:
        info = self._book.get(request.peer)
        if info is not None and isinstance(request.message, _ROUTABLE):
            return [Route(info, request.message, request.token)]
        return _failed(request, DISCONNECTED, reason)


def _failed(request: SendTo, code: str, reason: str) -> list[Outcome]:
    return [] if request.token is None else [SendFailed(request.token, request.peer, code, reason)]
