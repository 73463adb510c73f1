"""Items of streaming calls: what each end may send, and what it holds for its application.

Credit is the receiver's, as QUIC's MAX_STREAM_DATA (RFC 9000, section 4.1): a total from the start of the call that
only grows, by what the application has taken. So what is on its way and what waits is never more than one window, and
an old credit that comes late changes nothing. An item counts its bytes and OVERHEAD. Items go on the bulk lane, which
keeps their order; credit goes on the RPC lane, so that it never waits behind them.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from macula.core.commands import EndItems, ItemTaken, SendItem
from macula.core.deliveries import StreamDelivery
from macula.core.effects import Completed, Deliver
from macula.core.events import SendBlocked, SendReady
from macula.core.lanes import Lane
from macula.core.requests import SendTo
from macula.core.service import Action
from macula.errors import ArgumentError, Cancelled, ProtocolError
from macula.identity import NodeId
from macula.wire import codes
from macula.wire.streaming import StreamCredit, StreamEnd, StreamItem

STREAM_CAPABILITY = "stream"
"""In the hello of nodes that handle streaming calls."""
OVERHEAD = 256
"""Bytes that an item counts beside its own: roughly what it costs to hold, so that small ones are bounded, too."""


@dataclass(slots=True)
class Stream:
    """One end of a streaming call: what it knows of its items. Limits and totals are in bytes, from the start.

    `number` is the application's for it: of the delivery at the provider (`answer`), of the command at the caller.
    """

    number: int
    answer: bool
    realm: str
    call_id: bytes
    window: int
    receives: bool
    sending: bool
    receiving: bool
    """Whether more may come, of what it receives at all."""
    moved: float
    """When the call last made a step."""
    peer: NodeId | None = None
    """The other end; a call that looks for a provider has none yet."""
    token: int = 0
    """Of everything that is sent to it."""
    limit: int = 0
    sent: int = 0
    granted: int = 0
    received: int = 0
    taken: int = 0
    accepted: bool = False
    """Whether the peer has said anything."""
    held: deque[int] = field(default_factory=deque)
    pending: tuple[int, bytes] | None = None
    ending: bool = False
    """Whether the peer has yet to be told that no more follows."""

    @property
    def provider_is_due(self) -> bool:
        """Whether it is certain that only the provider can make the next step: the application there if this is its
        end. A consumer that is slow, or a sender that has nothing to send yet, is not late."""
        if self.answer:
            return bool(self.held) or (self.pending is None and not self.receiving)
        return not self.held and (self.pending is not None or not self.sending or not self.accepted)


class Streams:
    """Every end of a streaming call at this node. Its owners, the caller and the provider, open and close them."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._by_number: dict[tuple[int, bool], Stream] = {}
        self._by_call: dict[tuple[NodeId, bytes, bool], Stream] = {}
        self._blocked: set[NodeId] = set()

    def uploads(self, peer: NodeId | None = None) -> int:
        """Calls of others, or of this one, that are sent arguments."""
        return sum(
            answer and stream.receives and (peer is None or caller == peer)
            for (caller, _, answer), stream in self._by_call.items()
        )

    def open(
        self, number: int, answer: bool, call: tuple[str, bytes], now: float, *, sends: bool, receives: bool
    ) -> Stream:
        """An end is there. `call` is its realm and id."""
        stream = Stream(number, answer, *call, self._window, receives, sends, receives, now, granted=self._window)
        self._by_number[number, answer] = stream
        return stream

    def bind(self, stream: Stream, peer: NodeId, token: int) -> None:
        """The other end is this peer."""
        stream.peer, stream.token = peer, token
        self._by_call[peer, stream.call_id, stream.answer] = stream

    def unbind(self, stream: Stream) -> None:
        """The peer did not accept the call, or it is over; harmless when repeated."""
        if stream.peer is not None:
            del self._by_call[stream.peer, stream.call_id, stream.answer]
            stream.peer = None

    def close(self, stream: Stream) -> list[Action]:
        """The call is over at this end; harmless when repeated."""
        self.unbind(stream)
        self._by_number.pop((stream.number, stream.answer), None)
        pending, stream.pending = stream.pending, None
        return [] if pending is None else [Completed(pending[0], error=Cancelled("the call is over"))]

    def again_at(self, stream: Stream, now: float, timeout: float, patience: float) -> float | None:
        """When to look again whether this end has waited too long; None if it has: the provider has `timeout` s for
        each of its steps, and any call in which nothing moves has `patience`."""
        if now < stream.moved + timeout:
            return stream.moved + timeout
        blocked = stream.peer in self._blocked
        if (stream.provider_is_due and not blocked) or now >= stream.moved + patience:
            return None
        return min(now + timeout, stream.moved + patience)

    # What the application does.

    def send(self, command: int, item: SendItem, now: float) -> list[Action]:
        """Send an item as soon as there is credit and room. One that comes while another waits is refused."""
        stream = self._by_number.get((item.stream, item.answer))
        if stream is None or not stream.sending:
            return [Completed(command, error=Cancelled("the call is over"))]
        if stream.pending is not None:
            return [Completed(command, error=ArgumentError("item", "the one before has not been sent yet"))]
        stream.pending = (command, item.payload)
        return self._pump(stream, now)

    def end(self, command: int, items: EndItems, now: float) -> list[Action]:
        """No more arguments follow."""
        stream = self._by_number.get((items.stream, False))
        if stream is None or not stream.sending:
            return [Completed(command)]
        stream.sending, stream.ending, stream.moved = False, True, now
        return [*self._pump(stream, now), Completed(command)]

    def taken(self, command: int, item: ItemTaken, now: float) -> list[Action]:
        """The application is done with the oldest item that it was given: the peer may send as much again."""
        stream = self._by_number.get((item.stream, item.answer))
        if stream is None or not stream.held:
            return [Completed(command)]
        stream.taken += stream.held.popleft()
        stream.moved = now
        return [*self._grant(stream), Completed(command)]

    # What the peer and the connection do.

    def arrived(self, peer: NodeId, message: StreamItem | StreamEnd | StreamCredit, now: float) -> list[Action]:
        """A part of a call; one that is over is ignored, its parts may be on their way. Raises ProtocolError if it is
        more than this end gave credit for."""
        stream = self._by_call.get((peer, message.call_id, not message.answer))
        if stream is None:
            return []
        stream.accepted, stream.moved = True, now
        match message:
            case StreamCredit(limit=limit):
                stream.limit = max(stream.limit, limit)
                return self._pump(stream, now)
            case StreamEnd():
                stream.receiving = False
                return [Deliver(stream.number, StreamDelivery(stream.answer, None))]
            case StreamItem(payload=payload):
                cost = len(payload) + OVERHEAD
                stream.received += cost
                if not stream.receiving or stream.received > stream.granted:
                    raise ProtocolError(codes.UNEXPECTED, "an item for which there is no credit")
                stream.held.append(cost)
                return [Deliver(stream.number, StreamDelivery(stream.answer, payload))]

    def lane(self, event: SendBlocked | SendReady, now: float) -> list[Action]:
        """The bulk lane to a peer is full, or has room again."""
        if isinstance(event, SendBlocked):
            self._blocked.add(event.peer)
            return []
        return self.ready(event.peer, now)

    def ready(self, peer: NodeId, now: float) -> list[Action]:
        """The bulk lane to a peer has room, or there is no connection."""
        self._blocked.discard(peer)
        waiting = [stream for (other, _, _), stream in self._by_call.items() if other == peer]
        return [action for stream in waiting for action in self._pump(stream, now)]

    def grant(self, stream: Stream) -> list[Action]:
        """Tell the peer what it may send by now."""
        credit = StreamCredit(stream.realm, stream.call_id, stream.answer, stream.granted)
        return self._send(stream, Lane.RPC, credit)

    def _grant(self, stream: Stream) -> list[Action]:
        # Half a window at a time: one message for many items, and the sender has the other half meanwhile.
        limit = stream.taken + stream.window
        if not stream.receiving or limit - stream.granted < stream.window // 2:
            return []
        stream.granted = limit
        return self.grant(stream)

    def _pump(self, stream: Stream, now: float) -> list[Action]:
        # Before the peer has given credit it may not know the call yet: lanes overtake each other.
        if stream.peer in self._blocked or not stream.limit:
            return []
        actions: list[Action] = []
        if stream.pending is not None:
            command, payload = stream.pending
            cost = len(payload) + OVERHEAD
            if stream.sent + cost > stream.limit:
                return []
            stream.pending, stream.moved = None, now
            stream.sent += cost
            item = StreamItem(stream.realm, stream.call_id, stream.answer, payload)
            actions = [*self._send(stream, Lane.BULK, item), Completed(command)]
        if stream.ending:
            stream.ending = False
            end = StreamEnd(stream.realm, stream.call_id, stream.answer, "", "")
            actions += self._send(stream, Lane.BULK, end)
        return actions

    def _send(self, stream: Stream, lane: Lane, message: StreamItem | StreamEnd | StreamCredit) -> list[Action]:
        return [] if stream.peer is None else [SendTo(stream.peer, lane, message, stream.token)]
