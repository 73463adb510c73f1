"""The sending half, one event at a time."""

from __future__ import annotations

import itertools
import random

import pytest

from macula.core.commands import PublishEvent
from macula.core.effects import Completed, Trace
from macula.core.events import CommandGiven, Tick
from macula.core.lanes import Lane
from macula.core.peer_record import sign_peer
from macula.core.record import Kind
from macula.core.requests import (
    FindRecords,
    Hold,
    PeerDown,
    PeerUp,
    Received,
    RecordsFound,
    Release,
    SendFailed,
    SendToAll,
)
from macula.core.results import PublishResult
from macula.core.service import Action, ServiceEvent
from macula.errors import Busy, Timeout
from macula.identity import Identity, NodeId
from macula.pubsub import PubSub, PubSubSettings
from macula.wire import codes
from macula.wire.messages import Hello, Publish, PublishAck

from .net import REALM, WALL, node_id, topic_record

OWN, A, B = node_id(9), node_id(1), node_id(2)
TOPIC = "a.b.c"
EPOCH = int(WALL * 1000)


class Play:
    """One service; each call hands it an event and returns the actions but for traces."""

    def __init__(self, settings: PubSubSettings | None = None, subscribers: tuple[NodeId, ...] = (A,)) -> None:
        self.service = PubSub(settings or PubSubSettings(), OWN, REALM, random.Random(1), itertools.count(1))
        self.now = 50.0
        self.wall = WALL
        self.traces: list[Trace] = []
        self.subscribers = subscribers

    def __call__(self, event: ServiceEvent, at: float | None = None) -> list[Action]:
        self.now = self.now if at is None else at
        actions = self.service.handle(event, self.now, self.wall)
        self.traces += [action for action in actions if isinstance(action, Trace)]
        return [action for action in actions if not isinstance(action, Trace)]

    def publish(
        self, id_: int, qos: int = 1, topic: str = TOPIC, timeout: float = 5.0, payload: bytes = b"p"
    ) -> list[Action]:
        """Publish, and answer the lookups it needs."""
        actions = self(CommandGiven(id_, PublishEvent(topic, payload, qos, timeout)))
        out: list[Action] = []
        for action in actions:
            if isinstance(action, FindRecords):
                records = [topic_record(node, action.name, {"patterns": [action.name]}) for node in self.subscribers]
                out += self(RecordsFound(action.token, tuple(records)))
            else:
                out.append(action)
        return out

    def ack(self, sequence: int, status: str = codes.ACCEPTED, node: NodeId = A, epoch: int = EPOCH) -> list[Action]:
        return self(Received(node, PublishAck(REALM, TOPIC, epoch, sequence, status)))

    def tick(self) -> list[Action]:
        """Advance to the next deadline."""
        at = self.service.next_deadline()
        assert at is not None
        return self(Tick(), at)


def sends(actions: list[Action]) -> list[tuple[NodeId, int]]:
    """Receiver and sequence of each Publish."""
    return [(peer, message.sequence) for peers, message in messages(actions) for peer in peers]


def messages(actions: list[Action]) -> list[tuple[tuple[NodeId, ...], Publish]]:
    return [(a.peers, a.message) for a in actions if isinstance(a, SendToAll) and isinstance(a.message, Publish)]


def token_of(action: Action) -> int:
    assert isinstance(action, SendToAll)
    assert action.token is not None
    return action.token


def test_all_prefixes_are_looked_up_and_then_one_message_goes_to_each() -> None:
    play = Play()
    actions = play(CommandGiven(1, PublishEvent(TOPIC, b"p", 1, 5.0)))
    assert actions == [FindRecords(1, REALM, Kind.TOPIC, "a.b", 0.25), FindRecords(2, REALM, Kind.TOPIC, TOPIC, 0.25)]
    assert play(RecordsFound(2, (topic_record(A, TOPIC, {"patterns": [TOPIC]}),))) == []
    wild = {"patterns": ["a.b.x", "a.b.*", "a.b.**"]}
    message = Publish(REALM, TOPIC, b"p", 1, EPOCH, 0, 0)
    assert play(RecordsFound(1, (topic_record(A, "a.b", wild), topic_record(B, "a.b", wild)))) == [
        Hold(A),
        Hold(B),
        SendToAll((A, B), Lane.PUBSUB, message, 3),
    ]
    assert play.ack(0, node=B) == [Release(B)]
    assert play.ack(0) == [Release(A), Completed(1, PublishResult((B, A), {}))]
    assert play.service.next_deadline() is None
    (stop,) = play.traces
    assert stop.fields == {"topic": TOPIC, "qos": 1, "code": "ok"}
    assert stop.measurements == {"duration": 0.0, "subscribers": 2, "failed": 0}


def test_an_event_that_fails_towards_one_subscriber_is_sent_again_to_that_one() -> None:
    play = Play(subscribers=(A, B))
    hold_a, hold_b, sent = play.publish(1)
    assert (hold_a, hold_b, sends([sent])) == (Hold(A), Hold(B), [(A, 0), (B, 0)])
    assert play(SendFailed(token_of(sent), B, "busy", "full")) == []
    assert play.ack(0) == [Release(A)]
    assert sends(play.publish(2)) == [(A, 1)], "nothing overtakes what was lost"
    assert sends(play.tick()) == [(B, 0), (B, 1)]


def test_qos_0_completes_when_handed_over_and_traces_what_fails_later() -> None:
    play = Play(subscribers=(A, B))
    sent, completed = play.publish(1, qos=0)
    assert sent == SendToAll((A, B), Lane.PUBSUB, Publish(REALM, TOPIC, b"p", 0, EPOCH, 0, 0), token_of(sent))
    assert completed == Completed(1, PublishResult((A, B), {}))
    assert play(SendFailed(token_of(sent), B, "busy", "full")) == []
    assert play.traces[-1].name == "publish.failed"
    assert play.traces[-1].fields == {"peer": str(B), "code": "busy", "reason": "full"}
    assert play.service.next_deadline() is None


def test_a_list_is_refreshed_in_the_background_and_waited_for_when_too_old() -> None:
    play = Play()
    play.publish(1, qos=0)
    play.now += 0.7
    assert sends(play(CommandGiven(2, PublishEvent(TOPIC, b"", 0, 5.0)))) == [(A, 1)]
    play.now += 0.1
    actions = play(CommandGiven(3, PublishEvent(TOPIC, b"", 0, 5.0)))
    assert sends(actions) == [(A, 2)]
    assert sum(isinstance(action, FindRecords) for action in actions) == 2
    assert sends(play(CommandGiven(4, PublishEvent(TOPIC, b"", 0, 5.0)))) == [(A, 3)], "one lookup at a time"
    play.now += 0.8
    assert play(CommandGiven(5, PublishEvent(TOPIC, b"", 0, 5.0))) == [], "1.6 s old"
    tokens = [action.token for action in actions if isinstance(action, FindRecords)]
    play(RecordsFound(tokens[0], ()))
    released = play(RecordsFound(tokens[1], (topic_record(B, TOPIC, {"patterns": [TOPIC]}),)))
    assert sends(released) == [(B, 4)]


def test_an_answer_to_an_old_lookup_is_not_fresh() -> None:
    play = Play()
    lookups = play(CommandGiven(1, PublishEvent(TOPIC, b"", 0, 60.0)))
    play.now += 2.0
    assert play(CommandGiven(2, PublishEvent(TOPIC, b"", 0, 60.0))) == []
    assert isinstance(lookups[0], FindRecords)
    assert isinstance(lookups[1], FindRecords)
    play(RecordsFound(lookups[0].token, ()))
    actions = play(RecordsFound(lookups[1].token, ()))
    assert actions[0] == Completed(1, PublishResult((), {}))
    assert [type(action) for action in actions[1:]] == [FindRecords, FindRecords], "the second asks again"


def test_a_publish_whose_subscribers_are_not_found_in_time_times_out() -> None:
    play = Play()
    play(CommandGiven(1, PublishEvent(TOPIC, b"", 0, 2.0)))
    (completed,) = play.tick()
    assert play.now == 52.0
    assert isinstance(completed, Completed)
    assert isinstance(completed.error, Timeout)
    assert play.service.idle


def test_the_window_bounds_what_is_unanswered_and_the_queue_what_waits() -> None:
    play = Play(PubSubSettings(window=2, queue=1))
    assert sends(play.publish(1)) == [(A, 0)]
    assert sends(play.publish(2)) == [(A, 1)]
    assert sends(play.publish(3)) == []
    assert play.publish(4) == [Completed(4, PublishResult((), {A: "busy"}))]
    assert sends(play.ack(1)) == [(A, 2)]
    play.ack(0)
    assert play.ack(2) == [Release(A), Completed(3, PublishResult((A,), {}))]


def test_a_refusal_is_retried_in_order_and_holds_back_no_first_send() -> None:
    play = Play()
    for i in (1, 2, 3):
        play.publish(i)
    assert play.ack(1, codes.BUSY) == []
    assert play.ack(0, codes.BUSY) == []
    assert sends(play.publish(4)) == [(A, 3)]
    retried = play.tick()
    assert 0.025 <= play.now - 50 <= 0.05
    assert sends(retried) == [(A, 0), (A, 1)]
    assert [message.floor for _, message in messages(retried)] == [0, 0]


def test_backoff_doubles_up_to_its_most_and_starts_again_after_an_answer() -> None:
    play = Play()
    play.publish(1, timeout=60)
    waits = []
    for _ in range(6):
        play.ack(0, codes.BUSY)
        begun = play.now
        while not (sent := sends(play.tick())):
            pass
        assert sent == [(A, 0)]
        waits.append(play.now - begun)
    for wait, most in zip(waits, (0.05, 0.1, 0.2, 0.4, 0.5, 0.5), strict=True):
        assert most / 2 <= wait <= most
    play.publish(2, timeout=60)
    play.ack(1)
    play.ack(0, codes.BUSY)
    begun = play.now
    play.tick()
    assert play.now - begun <= 0.05


def test_after_a_lost_connection_nothing_goes_out_before_the_retry() -> None:
    play = Play()
    play.publish(1)
    play.publish(2)
    assert play(PeerDown(A, "lost", "")) == []
    assert sends(play.publish(3)) == []
    assert sends(play.tick()) == [(A, 0), (A, 1), (A, 2)]
    play(PeerDown(A, "lost", ""))
    identity = Identity.from_random(random.Random(0))
    info = sign_peer(identity, addresses=(), reachable=False, name="a", mode="edge", realms=(), wall=WALL, ttl=300)
    hello = Hello(2, 2, (), (REALM,), info.record.encoded)
    assert sends(play(PeerUp(A, hello, info, inbound=True))) == [(A, 0), (A, 1), (A, 2)], "not later than it is back"


def test_a_failed_send_counts_once_for_all_that_failed_with_it() -> None:
    play = Play()
    sent = [token_of(action) for i in (1, 2, 3) for action in play.publish(i, timeout=2) if sends([action])]
    for token in sent:
        assert play(SendFailed(token, A, "no_route", "")) == []
    retried = play.tick()
    assert play.now - 50 <= 0.05
    assert sends(retried) == [(A, 0), (A, 1), (A, 2)]
    ends = play(SendFailed(token_of(retried[0]), A, "busy", ""))
    while not ends:
        ends = [action for action in play.tick() if isinstance(action, Completed)]
    assert play.now == 52.0
    assert [end.result.failed for end in ends if isinstance(end, Completed)] == [
        {A: "busy"},
        {A: "disconnected"},
        {A: "disconnected"},
    ]


def test_what_is_not_answered_is_sent_again_with_growing_patience() -> None:
    play = Play()
    play.publish(1, timeout=60)
    times = []
    for _ in range(5):
        assert sends(play.tick()) == [(A, 0)]
        times.append(play.now - 50)
    assert times == [1, 3, 7, 15, 23]


@pytest.mark.parametrize(
    ("status", "failed"),
    [(codes.STALE, {A: "stale"}), (codes.NO_SUBSCRIPTION, {}), (codes.ACCEPTED, {})],
)
def test_final_answers(status: str, failed: dict[NodeId, str]) -> None:
    play = Play()
    play.publish(1)
    delivered = (A,) if status == codes.ACCEPTED else ()
    assert play.ack(0, status) == [Release(A), Completed(1, PublishResult(delivered, failed))]
    assert play.ack(0, status) == [], "a repeated answer is nothing"


def test_an_answer_that_fits_nothing_is_nothing() -> None:
    play = Play()
    assert play.ack(0) == []
    play.publish(1)
    assert play.ack(1) == play.ack(0, node=B) == play.ack(0, epoch=EPOCH - 1) == []
    assert play(Received(A, PublishAck("other", TOPIC, EPOCH, 0, codes.ACCEPTED))) == []
    assert play.ack(0, "nonsense") == [], "an unknown status is a refusal: tried again"
    assert sends(play.tick()) == [(A, 0)]


def test_topics_are_bounded_and_a_forgotten_one_starts_a_later_epoch() -> None:
    play = Play(PubSubSettings(max_topics=2))
    play.publish(1, qos=1)
    for i in range(10):
        play.publish(10 + i, qos=0, topic=f"a.b.x{i}")
    assert sends(play.publish(2)) == [(A, 1)], "a topic with unsettled events is not forgotten"
    play.ack(0)
    play.ack(1)
    for i in range(3):
        play.publish(30 + i, qos=0, topic=f"a.b.x{i}")
    ((_, message),) = messages(play.publish(3))
    assert (message.sequence, message.epoch > EPOCH) == (0, True)
    play.publish(4, topic="a.b.y")
    with pytest.raises(Busy, match="2 topics"):
        play.publish(5, topic="a.b.z")


def test_unsettled_events_are_bounded_in_number_and_bytes() -> None:
    play = Play(PubSubSettings(max_publishes=2, max_publish_bytes=10))
    play.publish(1, payload=b"123456")
    with pytest.raises(Busy, match="bytes"):
        play.publish(2, payload=b"12345")
    play.publish(3, payload=b"1234")
    with pytest.raises(Busy, match="not settled"):
        play.publish(4, payload=b"")
    play.ack(0)
    play.publish(5, payload=b"123456")


def test_two_publishes_that_end_at_the_same_time() -> None:
    play = Play(PubSubSettings(retry_delay=1.0, retry_delay_max=1.0, ack_timeout=0.9))
    play.publish(1, timeout=1.0)
    play.publish(2, timeout=1.0)
    play.publish(3, qos=0, timeout=1.0)
    play(PeerDown(A, "lost", ""))
    play.publish(4, qos=0, timeout=1.0)
    ends = play(Tick(), 60.0)
    assert sorted(end.id for end in ends if isinstance(end, Completed)) == [1, 2, 4]
    assert play.service.idle
    assert play.service.next_deadline() is None
