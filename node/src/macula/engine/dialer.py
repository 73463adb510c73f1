"""Messages for peers that are not connected: find the address, dial once, or fall back to an envelope."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lru import LRU

from macula.core.address import Address
from macula.core.effects import Dial, Trace
from macula.core.events import DialFailed
from macula.core.mode import PathPolicy
from macula.core.peer_record import PeerInfo, RelayPlace
from macula.core.requests import FindPeer, LearnAddress, ReachVia, RelaysReady, Route, SendFailed, SendTo
from macula.engine.send_queue import SendQueue
from macula.engine.settings import PoolSettings
from macula.identity import NodeId
from macula.wire import codes
from macula.wire.messages import Call, Cancel, Publish, PublishAck, Reply
from macula.wire.streaming import StreamCall
from macula.wire.tracing import untraced

Outcome = Dial | FindPeer | ReachVia | Route | SendFailed | Trace

_ROUTABLE = (Call, Reply, Cancel, Publish, PublishAck)
_SOUGHT = (*_ROUTABLE, StreamCall)
"""Messages for which a peer is looked up: not those of the DHT, since lookups of dead nodes would feed each other."""
DISCONNECTED = "disconnected"


@dataclass(slots=True)
class _Attempt:
    peer: NodeId
    waiting: SendQueue
    under_way: int | None = None
    tried: tuple[Address, ...] = ()
    tried_relays: tuple[RelayPlace, ...] = ()
    searched: bool = False


class Dialer:
    """At most one attempt to connect to each peer, however many messages wait for it (single flight)."""

    def __init__(self, settings: PoolSettings, tokens: Iterator[int], policy: PathPolicy = PathPolicy.AUTO) -> None:
        self._settings = settings
        self._policy = policy
        self._tokens = tokens
        self._book: LRU[NodeId, PeerInfo] = LRU(settings.address_book)
        self._preferred: LRU[NodeId, RelayPlace] = LRU(settings.address_book)
        self._hints: LRU[NodeId, Address] = LRU(settings.address_book)
        self._attempts: dict[NodeId, _Attempt] = {}
        self._under_way: dict[int, _Attempt] = {}
        self._backoff: LRU[NodeId, float] = LRU(settings.address_book)
        self.closed = False
        """Whether no new attempt is made: the node is shutting down."""

    @property
    def queued(self) -> int:
        """Messages that wait for a connection."""
        return sum(len(attempt.waiting) for attempt in self._attempts.values())

    def learn(self, info: PeerInfo) -> None:
        """Keep a peer record for dialing, unless a newer one is known."""
        known = self._book.get(info.node)
        if known is None or known.record.seq < info.record.seq:
            self._book[info.node] = info
            if known is None or _places(known) != _places(info):
                self._backoff.pop(info.node, None)

    def hint(self, request: LearnAddress) -> None:
        """Keep an address that somebody else names, for a node of which there is no record."""
        self._hints[request.peer] = request.address

    def prefer(self, peer: NodeId, relay: RelayPlace) -> None:
        """Try this relay first when a connection to the peer is made next."""
        self._preferred[peer] = relay
        self._backoff.pop(peer, None)

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
        preferred = self._preferred.pop(request.peer, None)
        if preferred is not None and self._policy is not PathPolicy.NEVER_RELAY:
            return [ReachVia(self._begin(attempt), request.peer, (preferred,))]
        info = self._book.get(request.peer)
        if info is not None:
            return self._dial_or_give_up(attempt, info, now)
        hint = self._hints.get(request.peer)
        if hint is not None:
            return [self._dial(attempt, (hint,))]
        return self._search(attempt, now, "no known address")

    def redial(self, peer: NodeId, now: float) -> list[Outcome]:
        """Connect anew to a peer whose connection is dead, if nobody does so already."""
        info = self._book.get(peer)
        if self.closed or info is None or peer in self._attempts or self._backoff.get(peer, now) > now:
            return []
        attempt = self._attempts[peer] = _Attempt(peer, SendQueue(self._settings))
        return self._dial_or_give_up(attempt, info, now)

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

    def relays_ready(self, answer: RelaysReady, now: float) -> list[Outcome]:
        """There are sessions at relays of the peer, or there are none."""
        attempt = self._take(answer.token)
        if attempt is None:
            return []
        if not answer.relays:
            info = self._book.get(attempt.peer)
            reason = "none of its relays can be used"
            return self._search(attempt, now, reason) if info is None else self._dial_or_give_up(attempt, info, now)
        return [self._dial(attempt, (), answer.relays)]

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
        if info.reachable and info.addresses and info.addresses != attempt.tried:
            return [self._dial(attempt, info.addresses)]
        if info.relays and info.relays != attempt.tried_relays and self._policy is not PathPolicy.NEVER_RELAY:
            attempt.tried_relays = info.relays
            return [ReachVia(self._begin(attempt), attempt.peer, info.relays)]
        if attempt.tried:
            return self._give_up(attempt, now, f"no answer at {', '.join(map(str, attempt.tried))}")
        # A newer record may name relays.
        return self._search(attempt, now, "its peer record says that it cannot be reached directly")

    def _dial(self, attempt: _Attempt, addresses: tuple[Address, ...], relays: tuple[NodeId, ...] = ()) -> Dial:
        attempt.tried = addresses
        return Dial(self._begin(attempt), addresses, attempt.peer, self._settings.dial_timeout, relays)

    def _search(self, attempt: _Attempt, now: float, reason: str) -> list[Outcome]:
        if attempt.searched or not any(one.sought or isinstance(one.message, _SOUGHT) for one in attempt.waiting):
            return self._give_up(attempt, now, reason)
        attempt.searched = True
        return [FindPeer(self._begin(attempt), attempt.peer)]

    def _give_up(self, attempt: _Attempt, now: float, reason: str) -> list[Outcome]:
        del self._attempts[attempt.peer]
        self._backoff[attempt.peer] = now + self._settings.dial_backoff
        return [outcome for request in attempt.waiting for outcome in self._fall_back(request, reason)]

    def _fall_back(self, request: SendTo, reason: str) -> list[Outcome]:
        info = self._book.get(request.peer)
        allowed = request.routed or self._policy is not PathPolicy.NEVER_RELAY
        if info is not None and allowed and isinstance(request.message, _ROUTABLE):
            # Nobody knows what the node at the end of an envelope offers.
            return [Route(info, untraced(request.message), request.token)]
        return _failed(request, DISCONNECTED, reason)


def _failed(request: SendTo, code: str, reason: str) -> list[Outcome]:
    return [] if request.token is None else [SendFailed(request.token, request.peer, code, reason)]


def _places(info: PeerInfo) -> tuple[object, ...]:
    return info.addresses, info.reachable, info.relays
