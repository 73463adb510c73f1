"""Events that go out: to every subscriber node of their topic, in order, until each has settled them.

QoS 0 completes when the event was handed over to each subscriber's connection; what fails later is only traced
(`publish.failed`). QoS 1 is sent again, in order, when it was refused (busy), lost or not answered, until its deadline;
subscribers that say they subscribe nothing (any more) count neither as delivered nor as failed.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence

from macula.core.commands import PublishEvent
from macula.core.effects import Completed, Trace
from macula.core.lanes import Lane
from macula.core.requests import Hold, RecordsFound, Release, SendFailed, SendToAll
from macula.core.results import PublishResult
from macula.core.service import Action
from macula.core.timers import Timers
from macula.errors import ArgumentError, Busy, CallError, Disconnected, Timeout
from macula.identity import NodeId
from macula.pubsub.directory import Directory, Listing
from macula.pubsub.outbox import Entry, Outbox, Publication, State
from macula.pubsub.pattern import parse_topic
from macula.pubsub.settings import PubSubSettings
from macula.pubsub.topic import Topic
from macula.wire import codes
from macula.wire.messages import Publish, PublishAck
from macula.wire.values import MAX_VALUE

_Deadline = int
_Retry = tuple[str, str, NodeId]
_RETRY = "retry"
_SILENCE = "silence"


class Publisher:
    """The sending half. `is_local(topic)` tells whether this node itself subscribes it; what it then sends to its own
    node, the caller hands back to the receiving half."""

    def __init__(
        self,
        settings: PubSubSettings,
        node_id: NodeId,
        realm: str,
        rng: random.Random,
        tokens: Iterator[int],
        emit: Callable[[Action], None],
        is_local: Callable[[str], bool],
    ) -> None:
        self._settings = settings
        self._node_id = node_id
        self._realm = realm
        self._rng = rng
        self._tokens = tokens
        self._emit = emit
        self._is_local = is_local
        self._directory = Directory(settings, node_id, realm, tokens, emit)
        self._topics: OrderedDict[str, Topic] = OrderedDict()
        self._last_epoch = 0
        self._live: dict[int, Publication] = {}
        self._bytes = 0
        self._busy: dict[NodeId, dict[str, Outbox]] = {}
        self._sent: dict[tuple[int, NodeId], tuple[Outbox, Entry]] = {}
        self._timers: Timers[_Deadline | _Retry] = Timers()

    def __len__(self) -> int:
        """Publish commands that are not settled."""
        return len(self._live)

    @property
    def is_idle(self) -> bool:
        """Whether every publish command is settled."""
        return not self._live

    def next_deadline(self) -> float | None:
        """When to call `tick`."""
        return self._timers.next()

    def publish(self, command: int, event: PublishEvent, now: float, wall: float) -> None:
        """Begin a publish command. Raises ArgumentError, or Busy at the limits of the settings."""
        segments = parse_topic("topic", event.topic)
        if event.qos not in (0, 1):
            raise ArgumentError("qos", f"must be 0 or 1, is {event.qos}")
        if not 0 < event.timeout <= self._settings.max_timeout:
            raise ArgumentError(
                "timeout", f"must be above 0 and at most {self._settings.max_timeout} s, is {event.timeout}"
            )
        size = len(event.payload)
        if size > MAX_VALUE:
            raise ArgumentError("payload", f"must have at most {MAX_VALUE} bytes when encoded, has {size}")
        if len(self._live) >= self._settings.max_publishes:
            raise Busy(f"{len(self._live)} events are not settled, the most this node keeps")
        if self._bytes + size > self._settings.max_publish_bytes:
            raise Busy(f"events of {self._bytes} bytes are not settled; with this one they were too many")
        topic = self._topics.get(event.topic) or self._create(Listing(event.topic, segments), wall)
        self._topics.move_to_end(event.topic)
        publication = Publication(
            command, event.topic, event.payload, event.qos, now, now + event.timeout, event.traceparent
        )
        self._live[command] = publication
        self._bytes += size
        self._timers.set(command, publication.deadline)
        topic.waiting.append(publication)
        self._advance(topic, now)

    def found(self, event: RecordsFound, now: float) -> None:
        """Subscribers were looked up: what waited for them goes out."""
        listing = self._directory.found(event)
        if listing is not None and (topic := self._topics[listing.topic]).waiting:
            self._advance(topic, now)

    def answered(self, node: NodeId, ack: PublishAck, now: float) -> None:
        """A subscriber answered a QoS 1 event."""
        topic = self._topics.get(ack.topic)
        outbox = topic.outboxes.get(node) if topic is not None and topic.epoch == ack.epoch else None
        entry = outbox.entries.get(ack.sequence) if outbox is not None else None
        if topic is None or outbox is None or entry is None or ack.realm != self._realm:
            return
        outbox.patience = self._settings.ack_timeout
        if ack.status == codes.ACCEPTED:
            outbox.attempts = 0
            entry.publication.delivered.append(node)
        elif ack.status == codes.NO_SUBSCRIPTION:
            topic.listing.nodes.pop(node, None)
        elif ack.status == codes.STALE:
            entry.publication.failed[node] = codes.STALE
        else:
            entry.state, entry.cause = State.AGAIN, Busy.code
            self._retry_later(outbox, now)
            return
        self._settle(topic, outbox, entry, now)

    def send_failed(self, event: SendFailed, now: float) -> None:
        """An event was not handed over."""
        outbox, entry = self._sent.pop((event.token, event.peer), (None, None))
        if outbox is None or entry is None:
            fields = {"peer": str(event.peer), "code": event.code, "reason": event.reason}
            self._emit(Trace("publish.failed", fields, limit=f"publish.failed {event.peer.short}"))
            return
        cause = Busy.code if event.code == Busy.code else Disconnected.code
        self._lost(outbox, [entry], cause, now)

    def peer_down(self, node: NodeId, now: float) -> None:
        """What was sent to this peer may be lost."""
        self._directory.peer_down(node)
        for outbox in list(self._busy.get(node, {}).values()):
            sent = [entry for entry in outbox.entries.values() if entry.state is State.SENT]
            if sent:
                self._lost(outbox, sent, Disconnected.code, now)

    def peer_up(self, node: NodeId, now: float) -> None:
        """What waited for this peer goes out at once."""
        self._directory.peer_up(node)
        for outbox in list(self._busy.get(node, {}).values()):
            if outbox.down:
                self._retry(outbox, now)

    def tick(self, now: float) -> None:
        """Deadlines, retries and silence."""
        for key in self._timers.pop_due(now):
            if isinstance(key, int):
                if key in self._live:
                    self._expire(self._live[key], now)
                continue
            kind, name, node = key
            outbox = self._topics[name].outboxes.get(node)
            if outbox is None:
                continue
            if kind == _RETRY:
                self._retry(outbox, now)
            else:
                self._unanswered(outbox, now)

    def _create(self, listing: Listing, wall: float) -> Topic:
        if len(self._topics) >= self._settings.max_topics:
            idle = next((topic for topic in self._topics.values() if topic.is_idle), None)
            if idle is None:
                raise Busy(f"{len(self._topics)} topics have unsettled events, the most this node keeps")
            self._directory.forget(idle.listing)
            del self._topics[idle.name]
        self._last_epoch = max(int(wall * 1000), self._last_epoch + 1)
        topic = Topic(listing, self._last_epoch, self._settings.reorder_wait)
        self._topics[topic.name] = topic
        return topic

    def _advance(self, topic: Topic, now: float) -> None:
        """Release what the list of subscribers is new enough for, and have it refreshed if it is old."""
        oldest = self._settings.directory_max_age
        while topic.waiting and topic.listing.asked >= topic.waiting[0].started - oldest:
            self._release(topic, topic.waiting.popleft(), now)
        self._directory.refresh(topic.listing, now)

    def _release(self, topic: Topic, publication: Publication, now: float) -> None:
        """Give an event its number and send it to everybody who is to get it."""
        nodes = tuple(topic.listing.nodes)
        if self._is_local(topic.name):
            nodes += (self._node_id,)
        sequence = publication.sequence = topic.number(nodes, now)
        token, at_once = next(self._tokens), []
        for node in nodes:
            outbox = topic.outboxes.get(node)
            if publication.qos == 0 and (outbox is None or not outbox.holds_back):
                publication.delivered.append(node)
                at_once.append(node)
            elif outbox is not None and outbox.is_full:
                publication.failed[node] = Busy.code
            else:
                outbox = outbox or self._open(topic, node)
                publication.pending[node] = None
                if (entry := outbox.add(publication, sequence)) is not None:
                    self._sending(outbox, entry, token, now)
                    at_once.append(node)
        self._send(topic, at_once, publication, sequence, token, now)
        if not publication.pending:
            self._finish(publication, now)

    def _send(
        self, topic: Topic, nodes: Sequence[NodeId], publication: Publication, sequence: int, token: int, now: float
    ) -> None:
        about = publication.payload, publication.qos, topic.epoch
        for floor, alike in topic.floors(nodes, sequence, now).items():
            message = Publish(self._realm, topic.name, *about, sequence, floor, publication.traceparent)
            self._emit(SendToAll(tuple(alike), Lane.PUBSUB, message, token))

    def _sending(self, outbox: Outbox, entry: Entry, token: int, now: float) -> None:
        """An event that will be answered goes out."""
        entry.sent_at, entry.token = now, token
        self._sent[token, outbox.node] = (outbox, entry)
        silence = (_SILENCE, outbox.topic, outbox.node)
        if silence not in self._timers:
            self._timers.set(silence, now + outbox.patience)

    def _flush(self, outbox: Outbox, now: float, retry: bool = False) -> None:
        topic = self._topics[outbox.topic]
        for entry in outbox.sendable(retry):
            self._forget_token(outbox, entry)
            token = next(self._tokens)
            self._send(topic, (outbox.node,), entry.publication, entry.sequence, token, now)
            if entry.publication.qos == 0:
                entry.publication.delivered.append(outbox.node)
                self._remove(topic, outbox, entry, now)
            else:
                self._sending(outbox, entry, token, now)

    def _lost(self, outbox: Outbox, entries: list[Entry], cause: str, now: float) -> None:
        for entry in entries:
            self._forget_token(outbox, entry)
            entry.state, entry.cause = State.AGAIN, cause
        outbox.down = True
        self._retry_later(outbox, now)

    def _retry_later(self, outbox: Outbox, now: float) -> None:
        key = (_RETRY, outbox.topic, outbox.node)
        if key in self._timers:
            return
        delay = min(self._settings.retry_delay * 2**outbox.attempts, self._settings.retry_delay_max)
        outbox.attempts = min(outbox.attempts + 1, 16)
        self._timers.set(key, now + delay * self._rng.uniform(0.5, 1.0))

    def _retry(self, outbox: Outbox, now: float) -> None:
        self._timers.cancel((_RETRY, outbox.topic, outbox.node))
        outbox.down = False
        self._flush(outbox, now, retry=True)

    def _unanswered(self, outbox: Outbox, now: float) -> None:
        """Send again what was not answered for too long."""
        silent = [
            entry
            for entry in outbox.entries.values()
            if entry.state is State.SENT and entry.sent_at + outbox.patience <= now
        ]
        for entry in silent:
            entry.state, entry.cause = State.AGAIN, Timeout.code
        outbox.patience = min(2 * outbox.patience, self._settings.ack_timeout_max)
        self._timers.set((_SILENCE, outbox.topic, outbox.node), now + outbox.patience)
        if silent:
            self._flush(outbox, now, retry=True)

    def _open(self, topic: Topic, node: NodeId) -> Outbox:
        settings = self._settings
        outbox = Outbox(topic.name, node, settings.window, settings.queue, settings.ack_timeout)
        topic.outboxes[node] = outbox
        if node not in self._busy:
            self._busy[node] = {}
            self._emit(Hold(node))
        self._busy[node][topic.name] = outbox
        return outbox

    def _settle(self, topic: Topic, outbox: Outbox, entry: Entry, now: float) -> None:
        """This subscriber is done with this event: the next one may go."""
        self._remove(topic, outbox, entry, now)
        if outbox.queued:
            self._flush(outbox, now)

    def _remove(self, topic: Topic, outbox: Outbox, entry: Entry, now: float) -> None:
        self._forget_token(outbox, entry)
        outbox.remove(entry)
        if not outbox.entries:
            del topic.outboxes[outbox.node]
            del self._busy[outbox.node][topic.name]
            if not self._busy[outbox.node]:
                del self._busy[outbox.node]
                self._emit(Release(outbox.node))
            self._timers.cancel((_RETRY, outbox.topic, outbox.node))
            self._timers.cancel((_SILENCE, outbox.topic, outbox.node))
        del entry.publication.pending[outbox.node]
        if not entry.publication.pending:
            self._finish(entry.publication, now)

    def _forget_token(self, outbox: Outbox, entry: Entry) -> None:
        if entry.token is not None:
            self._sent.pop((entry.token, outbox.node), None)
            entry.token = None

    def _expire(self, publication: Publication, now: float) -> None:
        """The deadline: what is not settled has failed."""
        topic = self._topics[publication.topic]
        if publication.sequence is None:
            topic.waiting.remove(publication)
            reason = f"the subscribers of {publication.topic} were not found in time"
            self._end(publication, Completed(publication.command, error=Timeout(reason)), now)
            return
        for node in list(publication.pending):
            outbox = topic.outboxes[node]
            entry = outbox.entries[publication.sequence]
            publication.failed[node] = entry.cause
            self._settle(topic, outbox, entry, now)

    def _finish(self, publication: Publication, now: float) -> None:
        result = PublishResult(tuple(publication.delivered), publication.failed)
        self._end(publication, Completed(publication.command, result), now)

    def _end(self, publication: Publication, completed: Completed, now: float) -> None:
        del self._live[publication.command]
        self._bytes -= len(publication.payload)
        self._timers.cancel(publication.command)
        self._emit(completed)
        fields = {
            "topic": publication.topic,
            "qos": publication.qos,
            "code": completed.error.code if isinstance(completed.error, CallError) else "ok",
        }
        measurements = {
            "duration": (now - publication.started) * 1000,
            "subscribers": len(publication.delivered),
            "failed": len(publication.failed),
        }
        self._emit(Trace("publish.stop", fields, measurements=measurements))
