"""The receiving half, one event at a time."""

from __future__ import annotations

import itertools
import random

import pytest

from macula.core.commands import Subscribe, Unsubscribe
from macula.core.deliveries import EventDelivery
from macula.core.effects import Completed, Deliver, Trace
from macula.core.events import CommandGiven, Consumed, Tick
from macula.core.lanes import Lane
from macula.core.requests import PublishRecord, Received, RecordStored, SendTo
from macula.core.service import Action, ServiceEvent
from macula.identity import NodeId
from macula.pubsub import PubSub, PubSubSettings
from macula.wire import codes
from macula.wire.messages import Publish, PublishAck

from .net import REALM, WALL, node_id

OWN, A, B = node_id(9), node_id(1), node_id(2)
TOPIC = "a.b.c"


class Play:
    """One service that subscribes; each call hands it an event and returns the actions but for traces."""

    def __init__(self, settings: PubSubSettings | None = None) -> None:
        self.service = PubSub(settings or PubSubSettings(), OWN, REALM, random.Random(1), itertools.count(1))
        self.now = 50.0
        self.traces: list[Trace] = []
        self._commands = itertools.count(1)

    def __call__(self, event: ServiceEvent, at: float | None = None) -> list[Action]:
        self.now = self.now if at is None else at
        actions = self.service.handle(event, self.now, WALL)
        self.traces += [action for action in actions if isinstance(action, Trace)]
        return [action for action in actions if not isinstance(action, Trace)]

    def subscribe(self, pattern: str = TOPIC, capacity: int = 100, ack_consumed: bool = False) -> int:
        actions = self(CommandGiven(next(self._commands), Subscribe(pattern, capacity, ack_consumed)))
        if isinstance(actions[0], PublishRecord):
            actions = self(RecordStored(actions[0].token, 1))
        assert isinstance(actions[0], Completed)
        number = actions[0].result
        assert isinstance(number, int)
        return number

    def unsubscribe(self, number: int) -> list[Action]:
        return self(CommandGiven(next(self._commands), Unsubscribe(number)))

    def event(
        self,
        sequence: int,
        floor: int | None = None,
        *,
        qos: int = 1,
        epoch: int = 7,
        publisher: NodeId = A,
        topic: str = TOPIC,
        payload: bytes = b"",
        hops: tuple[NodeId, ...] = (),
    ) -> list[Action]:
        floor = sequence if floor is None else floor
        message = Publish(REALM, topic, payload, qos, epoch, sequence, floor)
        return self(Received(publisher, message, hops))


def delivered(actions: list[Action]) -> list[tuple[int, int, int]]:
    """Subscription, sequence and missed of each delivery."""
    contents = [action.content for action in actions if isinstance(action, Deliver)]
    return [(c.subscription, c.sequence, c.missed) for c in contents if isinstance(c, EventDelivery)]


def answers(actions: list[Action]) -> list[tuple[int, str]]:
    """Sequence and status of each PublishAck."""
    messages = [action.message for action in actions if isinstance(action, SendTo)]
    return [(m.sequence, m.status) for m in messages if isinstance(m, PublishAck)]


def deliveries(actions: list[Action]) -> list[int]:
    return [action.delivery for action in actions if isinstance(action, Deliver)]


def test_an_event_is_delivered_and_acknowledged() -> None:
    play = Play()
    number = play.subscribe()
    deliver, ack = play.event(5, payload=b"x")
    assert isinstance(deliver, Deliver)
    assert deliver.content == EventDelivery(number, TOPIC, b"x", A, 7, 5, 0)
    assert ack == SendTo(A, Lane.PUBSUB, PublishAck(REALM, TOPIC, 7, 5, codes.ACCEPTED))
    assert play.event(5) == [ack], "a repeat is acknowledged, not delivered"
    assert answers(play.event(6, qos=0)) == []


def test_what_came_in_an_envelope_is_answered_in_one() -> None:
    play = Play()
    play.subscribe(ack_consumed=True)
    taken = play.event(0, hops=(B,))
    (ack,) = play(Consumed(deliveries(taken)[0]))
    assert isinstance(ack, SendTo)
    assert ack.routed
    taken = play.event(1, hops=(B,))
    assert play.event(1) == [], "a repeat before it is consumed: nothing to say yet"
    (ack,) = play(Consumed(deliveries(taken)[0]))
    assert isinstance(ack, SendTo)
    assert not ack.routed, "the way it came last"


def test_without_a_subscription_the_publisher_is_told() -> None:
    play = Play()
    play.subscribe("a.b.x")
    assert answers(play.event(0)) == [(0, codes.NO_SUBSCRIPTION)]
    assert play.event(0, qos=0) == []
    assert answers(play.event(0, topic="a.b.x..y")) == [(0, codes.NO_SUBSCRIPTION)], "not a topic"
    other = Publish("other", "a.b.x", b"", 1, 7, 0, 0)
    assert answers(play(Received(A, other))) == [(0, codes.NO_SUBSCRIPTION)]
    ignored = [trace for trace in play.traces if trace.name == "subscribe.ignored"]
    assert len(ignored) == 4
    assert all(trace.limit for trace in ignored)


def test_a_gap_is_waited_for_and_filled() -> None:
    play = Play()
    number = play.subscribe()
    play.event(0)
    assert play.event(2, floor=1) == []
    assert play.event(3, floor=1, qos=0) == []
    assert play.service.next_deadline() == pytest.approx(50.2)
    actions = play.event(1)
    assert delivered(actions) == [(number, 1, 0), (number, 2, 0), (number, 3, 0)]
    assert answers(actions) == [(1, codes.ACCEPTED), (2, codes.ACCEPTED)]
    assert play.service.next_deadline() is None


def test_a_gap_that_stays_is_told_and_what_then_comes_is_not_acknowledged() -> None:
    play = Play()
    number = play.subscribe()
    play.event(0)
    assert play.event(3, floor=1, qos=0) == []
    actions = play(Tick(), 50.2)
    assert delivered(actions) == [(number, 3, 2)]
    assert answers(play.event(1)) == [(1, codes.STALE)]
    assert play.event(2, qos=0) == []
    late = [trace.fields["sequence"] for trace in play.traces if trace.name == "subscribe.late"]
    assert late == [1, 2]
    assert answers(play.event(0)) == [(0, codes.ACCEPTED)], "seen, so a repeat"


def test_qos_1_behind_a_gap_is_refused_after_the_wait_so_that_both_come_again() -> None:
    play = Play()
    number = play.subscribe()
    play.event(0)
    assert play.event(2, floor=1) == []
    actions = play(Tick(), 50.2)
    assert actions == [SendTo(A, Lane.PUBSUB, PublishAck(REALM, TOPIC, 7, 2, codes.BUSY))]
    assert delivered(play.event(1)) == [(number, 1, 0)]
    assert delivered(play.event(2, floor=1)) == [(number, 2, 0)]


def test_the_floor_says_at_once_that_nothing_below_comes() -> None:
    play = Play()
    number = play.subscribe()
    play.event(0)
    play.event(3, floor=1)
    actions = play.event(6, floor=5)
    assert delivered(actions) == [(number, 3, 2)]
    assert answers(actions) == [(3, codes.ACCEPTED)], "and 5 may still come before 6"
    assert delivered(play.event(7, floor=7)) == [(number, 6, 2), (number, 7, 0)]


def test_what_is_held_back_is_bounded_in_number() -> None:
    play = Play(PubSubSettings(reorder_limit=2))
    number = play.subscribe()
    play.event(0)
    play.event(2, floor=1)
    play.event(3, floor=1)
    assert answers(play.event(4, floor=1)) == [(4, codes.BUSY)]
    assert delivered(play.event(5, floor=1, qos=0)) == [(number, 2, 1), (number, 3, 0), (number, 5, 1)]


def test_what_is_held_back_is_bounded_in_bytes_over_all() -> None:
    play = Play(PubSubSettings(held_bytes=10))
    number = play.subscribe("a.b.*")
    play.event(0)
    play.event(0, topic="a.b.d")
    assert play.event(2, floor=1, payload=b"12345678") == []
    assert delivered(play.event(2, floor=1, qos=0, topic="a.b.d", payload=b"123")) == [(number, 2, 1)]
    assert answers(play(Tick(), 51.0)) == [(2, codes.BUSY)]
    assert play.event(3, floor=1, payload=b"1234567890") == [], "room again"


def test_who_joins_in_the_middle_waits_for_nothing() -> None:
    play = Play()
    number = play.subscribe()
    assert delivered(play.event(1000)) == [(number, 1000, 0)]
    assert answers(play.event(999)) == [(999, codes.STALE)]
    later = play.subscribe("a.b.*")
    assert delivered(play.event(1002)) == [(number, 1002, 1), (later, 1002, 0)], "and is told no loss from before"


def test_a_newer_epoch_starts_again_and_an_older_is_over() -> None:
    play = Play()
    number = play.subscribe()
    play.event(5)
    play.event(7, floor=6)
    assert delivered(play.event(0, epoch=8)) == [(number, 7, 1), (number, 0, 0)], "what was held goes first"
    assert answers(play.event(8, epoch=7)) == [(8, codes.BUSY)]
    play.now += 3.0
    assert delivered(play.event(9, epoch=7)) == [(number, 9, 0)], "the publisher's clock was set back"


def test_a_full_subscription_gets_what_it_missed_on_the_retry_and_the_others_nothing_twice() -> None:
    play = Play()
    full = play.subscribe(capacity=1)
    other = play.subscribe("a.b.*")
    first = play.event(0)
    assert answers(first) == [(0, codes.ACCEPTED)]
    actions = play.event(1)
    assert (delivered(actions), answers(actions)) == ([(other, 1, 0)], [(1, codes.BUSY)])
    actions = play.event(2, floor=1)
    assert (delivered(actions), answers(actions)) == ([(other, 2, 0)], [(2, codes.BUSY)])
    play(Consumed(deliveries(first)[0]))
    actions = play.event(2, floor=1)
    assert (delivered(actions), answers(actions)) == ([], [(2, codes.BUSY)]), "there is room, but 1 comes first"
    actions = play.event(3, floor=1, qos=0)
    assert delivered(actions) == [(other, 3, 0)]
    assert play.traces[-1].name == "subscribe.dropped"
    again = play.event(1)
    assert (delivered(again), answers(again)) == ([(full, 1, 0)], [(1, codes.ACCEPTED)])
    play(Consumed(deliveries(again)[0]))
    again = play.event(2, floor=2)
    assert (delivered(again), answers(again)) == ([(full, 2, 0)], [(2, codes.ACCEPTED)])
    play(Consumed(deliveries(again)[0]))
    assert delivered(play.event(4)) == [(full, 4, 1), (other, 4, 0)]


def test_what_the_publisher_gave_up_is_told_to_the_subscription_that_missed_it() -> None:
    play = Play()
    full = play.subscribe(capacity=1)
    first = play.event(0)
    assert answers(play.event(1)) == [(1, codes.BUSY)]
    play(Consumed(deliveries(first)[0]))
    assert delivered(play.event(2, floor=2)) == [(full, 2, 1)]


def test_unacknowledged_events_are_bounded() -> None:
    play = Play(PubSubSettings(unacked_limit=3))
    play.subscribe(ack_consumed=True)
    for i in range(3):
        assert len(delivered(play.event(i, floor=0))) == 1
    assert answers(play.event(3, floor=0)) == [(3, codes.BUSY)]
    assert delivered(play.event(3, floor=0)) == []


def test_with_ack_consumed_an_event_counts_when_all_who_asked_have_consumed_it() -> None:
    play = Play()
    play.subscribe(ack_consumed=True)
    play.subscribe(ack_consumed=True)
    play.subscribe()
    taken = deliveries(play.event(0))
    assert len(taken) == 3
    assert play(Consumed(taken[2])) == play(Consumed(taken[0])) == play(Consumed(taken[0])) == []
    assert answers(play(Consumed(taken[1]))) == [(0, codes.ACCEPTED)]


def test_what_was_consumed_is_told_together() -> None:
    play = Play()
    number = play.subscribe(ack_consumed=True, capacity=5)
    for sequence, qos in enumerate((1, 0, 1, 1)):
        assert answers(play.event(sequence, floor=0, qos=qos)) == []
    assert answers(play(Consumed(number, 3))) == [(0, codes.ACCEPTED), (2, codes.ACCEPTED)]
    assert play.event(4, floor=0) != [], "there is room again"
    assert answers(play(Consumed(number, 1000))) == [(3, codes.ACCEPTED), (4, codes.ACCEPTED)]
    assert play(Consumed(number)) == play(Consumed(99)) == []
    assert [len(delivered(play.event(sequence, floor=0))) for sequence in range(5, 11)] == [1] * 5 + [0]


def test_unsubscribing_settles_what_waited_for_it() -> None:
    play = Play()
    slow = play.subscribe(ack_consumed=True, capacity=1)
    play.event(0)
    assert answers(play.event(1, floor=0)) == [(1, codes.BUSY)]
    actions = play.unsubscribe(slow)
    assert answers(actions) == [(0, codes.NO_SUBSCRIPTION), (1, codes.NO_SUBSCRIPTION)]
    assert answers(play.event(2)) == [(2, codes.NO_SUBSCRIPTION)]
    again = play.subscribe()
    assert delivered(play.event(9)) == [(again, 9, 0)], "what came in between was not for it"


def test_streams_are_bounded() -> None:
    play = Play(PubSubSettings(max_streams=8))
    play.subscribe("a.b.**", capacity=1000)
    for i in range(100):
        play.event(0, topic=f"a.b.t{i}")
        play.event(2, floor=0, topic=f"a.b.t{i}")
    subscriber = play.service._subscriber
    assert len(subscriber._streams) == 8
    assert len(subscriber._gaps.pop_due(1e9)) == 8
    assert answers(play.event(0, topic="a.b.t99")) == [(0, codes.ACCEPTED)]
