"""This node's own subscriptions, and the records that tell the mesh of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from lru import LRU

from macula.core.commands import Subscribe
from macula.core.effects import Completed, Trace
from macula.core.record import MAX_RECORD, Kind
from macula.core.requests import PublishRecord, RecordStored, WithdrawRecord
from macula.core.service import Action
from macula.errors import ArgumentError, Busy
from macula.identity import NodeId
from macula.identity.keys import SIGNATURE_SIZE
from macula.identity.names import is_name
from macula.pubsub.pattern import Pattern, parse_pattern
from macula.pubsub.settings import PubSubSettings
from macula.wire.values import encode_value

_RECORD_FRAMING = SIGNATURE_SIZE + 6
"""Bytes of an encoded record around its body: the array, the body's header, the signature and its header."""


@dataclass(eq=False, slots=True)
class Subscription:
    """One local subscription. Active, that is served with events, once its record is stored. `outstanding` counts what
    was delivered and not consumed yet."""

    number: int
    pattern: Pattern
    capacity: int
    ack_consumed: bool
    active: bool = False
    outstanding: int = 0


@dataclass(slots=True)
class _Waiting:
    command: int
    subscription: Subscription
    since: float


@dataclass(slots=True)
class _Prefix:
    """The record of one prefix: its patterns with the number of subscriptions of each, and the newest token of a
    PublishRecord that is not answered."""

    patterns: dict[str, int] = field(default_factory=dict)
    token: int | None = None


class Subscriptions:
    """All local subscriptions; one record for each literal prefix, listing the patterns that start with it."""

    def __init__(
        self,
        settings: PubSubSettings,
        node_id: NodeId,
        realm: str,
        tokens: Iterator[int],
        emit: Callable[[Action], None],
    ) -> None:
        self._settings = settings
        self._node_id = node_id
        self._realm = realm
        self._tokens = tokens
        self._emit = emit
        self._subscriptions: dict[int, Subscription] = {}
        self._prefixes: dict[str, _Prefix] = {}
        self._storing: dict[int, tuple[str, list[_Waiting]]] = {}
        self._matching: LRU[str, tuple[Subscription, ...]] = LRU(settings.max_topics)
        self._withdrawn = False

    @property
    def patterns(self) -> tuple[str, ...]:
        """What is subscribed, each pattern once."""
        return tuple(dict.fromkeys(subscription.pattern.text for subscription in self._subscriptions.values()))

    def get(self, number: int) -> Subscription | None:
        """The subscription with this number."""
        return self._subscriptions.get(number)

    def matching(self, topic: str) -> tuple[Subscription, ...]:
        """The active subscriptions for a topic, oldest first."""
        found = self._matching.get(topic)
        if found is None:
            segments = tuple(topic.split("."))
            active = [s for s in self._subscriptions.values() if s.active] if is_name(topic) else []
            found = tuple(s for s in active if s.pattern.matches(segments))
            self._matching[topic] = found
        return found

    def subscribe(self, command: int, wanted: Subscribe, now: float) -> None:
        """Add a subscription; its command is completed when the record is stored. Raises ArgumentError, Busy."""
        pattern = parse_pattern("pattern", wanted.pattern)
        if not 1 <= wanted.capacity <= self._settings.max_capacity:
            raise ArgumentError("capacity", f"must be 1 to {self._settings.max_capacity}, is {wanted.capacity}")
        if len(self._subscriptions) >= self._settings.max_subscriptions:
            raise Busy(f"this node has {self._settings.max_subscriptions} subscriptions, its most")
        known = self._prefixes.get(pattern.prefix, _Prefix())
        is_new = pattern.text not in known.patterns
        if is_new:
            self._check_size(pattern.prefix, [*known.patterns, pattern.text])
        subscription = Subscription(command, pattern, wanted.capacity, wanted.ack_consumed)
        self._subscriptions[subscription.number] = subscription
        self._prefixes[pattern.prefix] = known
        known.patterns[pattern.text] = known.patterns.get(pattern.text, 0) + 1
        if is_new:
            self._publish(pattern.prefix, known)
        waiting = _Waiting(command, subscription, now)
        if known.token is None:
            self._activate(waiting, now)
        else:
            self._storing[known.token][1].append(waiting)

    def stored(self, event: RecordStored, now: float) -> None:
        """A record was stored: the subscriptions that waited for it begin."""
        prefix, waiting = self._storing.pop(event.token, ("", []))
        known = self._prefixes.get(prefix)
        if known is not None and known.token == event.token:
            known.token = None
        for one in waiting:
            self._activate(one, now)

    def unsubscribe(self, number: int) -> Subscription:
        """End a subscription and tell the mesh. Raises ArgumentError if there is none of that number."""
        subscription = self._subscriptions.get(number)
        if subscription is None:
            raise ArgumentError("subscription", f"this node has no subscription {number}")
        del self._subscriptions[number]
        self._matching.clear()
        subscription.active = False
        text, prefix = subscription.pattern.text, subscription.pattern.prefix
        known = self._prefixes[prefix]
        known.patterns[text] -= 1
        if known.patterns[text] == 0:
            del known.patterns[text]
            if not self._withdrawn and known.patterns:
                self._publish(prefix, known)
            elif not self._withdrawn:
                self._emit(WithdrawRecord(next(self._tokens), self._realm, Kind.TOPIC, prefix))
        if not known.patterns:
            del self._prefixes[prefix]
        return subscription

    def withdraw(self) -> None:
        """Tell the mesh that this node subscribes nothing any more; what comes nevertheless is still delivered."""
        if not self._withdrawn:
            self._withdrawn = True
            for prefix in self._prefixes:
                self._emit(WithdrawRecord(next(self._tokens), self._realm, Kind.TOPIC, prefix))

    def _publish(self, prefix: str, known: _Prefix) -> None:
        known.token = next(self._tokens)
        self._storing[known.token] = (prefix, [])
        value = {"patterns": list(known.patterns)}
        self._emit(PublishRecord(known.token, self._realm, Kind.TOPIC, prefix, value))

    def _activate(self, waiting: _Waiting, now: float) -> None:
        subscription = waiting.subscription
        # It may have been ended while its record was on the way.
        subscription.active = subscription.number in self._subscriptions
        self._matching.clear()
        self._emit(Completed(waiting.command, subscription.number))
        measurements = {"duration": (now - waiting.since) * 1000}
        self._emit(Trace("subscribe.stop", {"pattern": subscription.pattern.text}, measurements=measurements))

    def _check_size(self, prefix: str, patterns: list[str]) -> None:
        largest = [2**63 - 1, 2**53 - 1, 2**31 - 1]
        body = [self._realm, Kind.TOPIC.value, prefix, self._node_id, *largest, {"patterns": patterns}]
        size = len(encode_value("pattern", body)) + _RECORD_FRAMING
        if size > MAX_RECORD:
            raise ArgumentError(
                "pattern",
                f"the {len(patterns)} patterns that start with {prefix!r} need a record of {size} bytes, "
                f"{MAX_RECORD} are allowed: subscribe a wider pattern instead",
            )
