"""Events that come in: put in order, delivered to the local subscriptions, acknowledged.

What an answer to a QoS 1 event promises:
- `accepted`: every subscription of this node that matches has it in its queue (or consumed it, if it asked for that),
  after all earlier ones of this publisher and topic that it will ever get;
- `busy`: not so, send it again: a queue is full, or the event overtook one that may still come;
- `stale`: it came after later ones were delivered and cannot be delivered in order any more; the publisher reports it;
- `no_subscription`: nothing here wants it.
So nothing that was acknowledged is lost, and nothing is lost silently: a subscription is told with the next event how
many it missed. QoS 0 events are delivered if they come in time and there is room.

Order is kept for each subscription by itself: a full one is served again when the publisher repeats what it missed,
while the others go on. A repeat is delivered to those that still need it, and to no other.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from macula.core.deliveries import EventDelivery
from macula.core.effects import Deliver, Trace
from macula.core.lanes import Lane
from macula.core.limits import Limit, met
from macula.core.peer_limiter import PeerLimiter
from macula.core.requests import SendTo
from macula.core.service import Action
from macula.core.timers import Timers
from macula.identity import NodeId
from macula.pubsub.sequence import Place, Window
from macula.pubsub.settings import PubSubSettings
from macula.pubsub.subscriptions import Subscription, Subscriptions
from macula.wire import codes
from macula.wire.messages import Publish, PublishAck

_Key = tuple[NodeId, str]


_Arrival = tuple[Publish, bool]
"""An event, and whether it came in an envelope."""


@dataclass(slots=True)
class _Unacked:
    """A QoS 1 event that is not acknowledged: who still needs it, and how many that must consume it first have not."""

    needs: list[Subscription]
    routed: bool
    unconsumed: int = 0
    taken: bool = False


@dataclass(slots=True)
class _Stream:
    """One publisher's events on one topic. `last` is what each subscription (by number) was delivered last."""

    key: _Key
    epoch: int
    window: Window[_Arrival]
    seen_at: float
    unacked: dict[int, _Unacked] = field(default_factory=dict)
    last: dict[int, int] = field(default_factory=dict)


class _Unconsumed(NamedTuple):
    """An event that is acknowledged when it is consumed."""

    stream: _Stream
    sequence: int


class Subscriber:
    """The receiving half. `realm` is the one served; events of another have no subscription."""

    def __init__(
        self,
        settings: PubSubSettings,
        realm: str,
        emit: Callable[[Action], None],
        subscriptions: Subscriptions,
    ) -> None:
        self._settings = settings
        self._realm = realm
        self._emit = emit
        self._subscriptions = subscriptions
        self._streams: OrderedDict[_Key, _Stream] = OrderedDict()
        self._unconsumed: dict[int, deque[_Unconsumed | None]] = {}
        """What subscriptions (by number) that acknowledge what they consumed have, oldest first; None is of QoS 0."""
        self._gaps: Timers[_Key] = Timers()
        self._held_bytes = 0
        self._rates = PeerLimiter(settings.event_rate, 2 * settings.event_rate)

    def next_deadline(self) -> float | None:
        """When to call `tick`."""
        return self._gaps.next()

    def tick(self, now: float) -> None:
        """Stop waiting for events that do not come.

        QoS 1 events held back are refused, since the missing one is most likely on its way: the publisher sends both
        again, in order. Only if a QoS 0 event is held too, which would be lost by that, all are let through.
        """
        for key in self._gaps.pop_due(now):
            stream = self._streams[key]
            if any(message.qos == 0 for message, _ in stream.window.held.values()):
                self._flush(stream)
                continue
            for message, routed in stream.window.held.values():
                self._answer(key[0], message, codes.BUSY, routed)
            self._forget_held(stream)

    def receive(self, publisher: NodeId, message: Publish, routed: bool, now: float) -> None:
        """An event came. `routed` says that it was in an envelope, so its answer goes back in one."""
        if message.realm != self._realm or not self._subscriptions.matching(message.topic):
            self._answer(publisher, message, codes.NO_SUBSCRIPTION, routed)
            self._trace("subscribe.ignored", publisher, message)
            return
        if not self._rates.take(publisher, 1, now):
            self._refuse(publisher, message, routed, Limit.EVENT_RATE)
            return
        stream = self._stream((publisher, message.topic), message, now)
        if stream is None:
            self._answer(publisher, message, codes.BUSY, routed)
            self._trace("subscribe.late", publisher, message)
            return
        window = stream.window
        waited = bool(window.held)
        if message.floor > window.next or stream.unacked:
            self._raise_floor(stream, min(message.floor, message.sequence))
        match window.place(message.sequence):
            case Place.NEXT | Place.AHEAD:
                self._arrived(stream, (message, routed))
            case Place.LATE:
                self._answer(publisher, message, codes.STALE, routed)
                self._trace("subscribe.late", publisher, message)
            case Place.SEEN:
                self._repeated(stream, (message, routed))
            case Place.HELD:
                pass
        if waited or window.held:
            self._watch(stream, now)

    def consumed(self, number: int, count: int) -> None:
        """The application is done with the oldest `count` events of a subscription: there is room for others."""
        subscription = self._subscriptions.get(number)
        if subscription is None:
            return
        count = min(count, subscription.outstanding)
        subscription.outstanding -= count
        if subscription.ack_consumed:
            for _ in range(count):
                if (done := self._unconsumed[number].popleft()) is not None:
                    self._consumption_ended(done, taken=True)

    def ended(self, subscription: Subscription) -> None:
        """A subscription ended: nothing waits for it any more, and what only it wanted is forgotten."""
        for unconsumed in self._unconsumed.pop(subscription.number, ()):
            if unconsumed is not None:
                self._consumption_ended(unconsumed, taken=False)
        for stream in list(self._streams.values()):
            stream.last.pop(subscription.number, None)
            for sequence, unacked in list(stream.unacked.items()):
                if subscription in unacked.needs:
                    unacked.needs.remove(subscription)
                    self._acknowledge(stream, sequence, unacked)
            if not self._subscriptions.matching(stream.key[1]):
                self._drop(stream)

    def _stream(self, key: _Key, message: Publish, now: float) -> _Stream | None:
        """The stream an event belongs to; None if it is of an epoch that is over."""
        stream = self._streams.get(key)
        if stream is not None and stream.epoch != message.epoch:
            if message.epoch < stream.epoch and now - stream.seen_at < self._settings.epoch_settle:
                return None
            self._drop(stream)
            stream = None
        if stream is None:
            while len(self._streams) >= self._settings.max_streams:
                self._drop(next(iter(self._streams.values())))
                self._emit(met(Limit.PUBLISHERS, key[0]))
            base = min(message.floor, message.sequence)
            stream = self._streams[key] = _Stream(key, message.epoch, Window(base), now)
        stream.seen_at = now
        self._streams.move_to_end(key)
        return stream

    def _raise_floor(self, stream: _Stream, floor: int) -> None:
        """Nothing below `floor` comes (again): what is held below is due, what was refused below is given up."""
        if floor > stream.window.next:
            self._process(stream, stream.window.skip_to(floor))
        for sequence in [sequence for sequence in stream.unacked if sequence < floor]:
            del stream.unacked[sequence]

    def _arrived(self, stream: _Stream, arrival: _Arrival) -> None:
        """An event that was not here before."""
        (message, routed), window = arrival, stream.window
        if message.qos == 1 and len(stream.unacked) >= self._settings.unacked_limit:
            self._refuse(stream.key[0], message, routed, Limit.EVENTS)
            return
        if message.sequence != window.next:
            size = len(message.payload)
            full = len(window.held) >= self._settings.reorder_limit
            if full or self._held_bytes + size > self._settings.held_bytes:
                if message.qos == 1:
                    self._refuse(stream.key[0], message, routed, Limit.EVENTS)
                    return
                self._held_bytes += size
                window.put(message.sequence, arrival)
                self._flush(stream)
                return
        self._held_bytes += len(message.payload)
        self._process(stream, window.put(message.sequence, arrival))

    def _repeated(self, stream: _Stream, arrival: _Arrival) -> None:
        message, routed = arrival
        unacked = stream.unacked.get(message.sequence)
        if unacked is None:
            self._answer(stream.key[0], message, codes.ACCEPTED, routed)
            return
        unacked.routed = routed
        self._serve(stream, message, unacked)

    def _process(self, stream: _Stream, arrivals: list[_Arrival]) -> None:
        """Events whose turn has come, in order."""
        matching = self._subscriptions.matching(stream.key[1])
        for message, routed in arrivals:
            self._held_bytes -= len(message.payload)
            if message.qos == 1:
                unacked = stream.unacked[message.sequence] = _Unacked(list(matching), routed)
                self._serve(stream, message, unacked)
                continue
            for subscription in matching:
                lags = stream.unacked and any(subscription in unacked.needs for unacked in stream.unacked.values())
                if subscription.outstanding < subscription.capacity and not lags:
                    self._deliver(subscription, stream, message)
                else:
                    self._dropped(subscription, stream, message)

    def _serve(self, stream: _Stream, message: Publish, unacked: _Unacked) -> None:
        """Deliver a QoS 1 event to those that need it, have room and lack none before it, and answer it."""
        earlier: list[Subscription] = []
        for sequence, other in stream.unacked.items():
            if sequence >= message.sequence:
                break
            earlier += other.needs
        for subscription in list(unacked.needs):
            if subscription.outstanding < subscription.capacity and subscription not in earlier:
                unacked.needs.remove(subscription)
                unacked.unconsumed += subscription.ack_consumed
                unacked.taken |= not subscription.ack_consumed
                self._deliver(subscription, stream, message)
        if unacked.needs:
            self._answer(stream.key[0], message, codes.BUSY, unacked.routed)
        else:
            self._acknowledge(stream, message.sequence, unacked)

    def _deliver(self, subscription: Subscription, stream: _Stream, message: Publish) -> None:
        number, sequence = subscription.number, message.sequence
        missed = sequence - stream.last.get(number, sequence - 1) - 1
        stream.last[number] = sequence
        subscription.outstanding += 1
        if subscription.ack_consumed:
            unconsumed = _Unconsumed(stream, sequence) if message.qos == 1 else None
            self._unconsumed.setdefault(number, deque()).append(unconsumed)
        content = EventDelivery(
            number,
            message.topic,
            message.payload,
            stream.key[0],
            message.epoch,
            sequence,
            missed,
            message.traceparent,
        )
        self._emit(Deliver(number, content))

    def _consumption_ended(self, event: _Unconsumed, taken: bool) -> None:
        unacked = event.stream.unacked.get(event.sequence)
        if unacked is not None:
            unacked.unconsumed -= 1
            unacked.taken |= taken
            self._acknowledge(event.stream, event.sequence, unacked)

    def _acknowledge(self, stream: _Stream, sequence: int, unacked: _Unacked) -> None:
        """Answer a QoS 1 event finally, if nothing is left to wait for."""
        if unacked.needs or unacked.unconsumed:
            return
        del stream.unacked[sequence]
        status = codes.ACCEPTED if unacked.taken else codes.NO_SUBSCRIPTION
        publisher, topic = stream.key
        ack = PublishAck(self._realm, topic, stream.epoch, sequence, status)
        self._emit(SendTo(publisher, Lane.PUBSUB, ack, routed=unacked.routed))

    def _answer(self, publisher: NodeId, message: Publish, status: str, routed: bool) -> None:
        if message.qos == 1:
            ack = PublishAck(message.realm, message.topic, message.epoch, message.sequence, status)
            self._emit(SendTo(publisher, Lane.PUBSUB, ack, routed=routed))

    def _refuse(self, publisher: NodeId, message: Publish, routed: bool, limit: Limit) -> None:
        self._answer(publisher, message, codes.BUSY, routed)
        self._emit(met(limit, publisher))

    def _flush(self, stream: _Stream) -> None:
        """Let everything held through; the gaps are lost."""
        if stream.window.held:
            self._process(stream, stream.window.skip_to(max(stream.window.held)))
        self._gaps.cancel(stream.key)

    def _forget_held(self, stream: _Stream) -> None:
        self._held_bytes -= sum(len(message.payload) for message, _ in stream.window.held.values())
        stream.window.held.clear()

    def _drop(self, stream: _Stream) -> None:
        self._flush(stream)
        stream.unacked.clear()
        del self._streams[stream.key]

    def _watch(self, stream: _Stream, now: float) -> None:
        """Wait for a gap to be filled as long as there is one."""
        if not stream.window.held:
            self._gaps.cancel(stream.key)
        elif stream.key not in self._gaps:
            self._gaps.set(stream.key, now + self._settings.reorder_wait)

    def _dropped(self, subscription: Subscription, stream: _Stream, message: Publish) -> None:
        fields = {
            "subscription": subscription.number,
            "topic": message.topic,
            "publisher": str(stream.key[0]),
            "capacity": subscription.capacity,
        }
        self._emit(met(Limit.EVENTS, stream.key[0]))
        self._emit(Trace("subscribe.dropped", fields, limit=f"subscribe.dropped {subscription.number}"))

    def _trace(self, name: str, publisher: NodeId, message: Publish) -> None:
        fields = {"topic": message.topic, "publisher": str(publisher), "sequence": message.sequence, "qos": message.qos}
        self._emit(Trace(name, fields, limit=f"{name} {publisher.short}"))
