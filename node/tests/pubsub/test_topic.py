from __future__ import annotations

import pytest

from macula.pubsub.directory import Listing
from macula.pubsub.outbox import Outbox, Publication
from macula.pubsub.topic import Topic

from .net import node_id

A, B = node_id(1), node_id(2)
WAIT = 0.2


@pytest.fixture
def topic() -> Topic:
    return Topic(Listing("a.b", ("a", "b")), epoch=7, reorder_wait=WAIT)


def test_an_event_counts_as_on_its_way_for_the_reorder_wait(topic: Topic) -> None:
    assert topic.number((A,), 10.0) == 0
    for number, now in enumerate((10.05, 10.1, 10.19), start=1):
        assert topic.number((A,), now) == number
        assert topic.floors((A,), number, now) == {0: [A]}
    assert topic.number((A,), 10.25) == 4
    assert topic.floors((A,), 4, 10.25) == {0: [A]}, "the one at 10.1 can still come"
    assert topic.floors((A,), 4, 10.46) == {4: [A]}, "all before 10.25 were sent long ago"
    assert topic.floors((A,), 4, 99.0) == {4: [A]}
    assert topic.number((A,), 150.0) == 5
    assert topic.floors((A,), 5, 150.0) == {5: [A]}


def test_a_subscriber_who_joins_waits_for_nothing_before(topic: Topic) -> None:
    for i in range(5):
        topic.number((A,), 10.0 + i / 100)
    sequence = topic.number((A, B), 10.06)
    assert topic.floors((A,), sequence, 10.06) == {0: [A]}
    assert topic.floors((B,), sequence, 10.06) == {5: [B]}
    assert topic.floors((A, B), sequence, 10.06) == {0: [A], 5: [B]}
    sequence = topic.number((A, B), 11.0)
    assert topic.floors((A, B), sequence, 11.0) == {6: [A, B]}, "nothing is on its way to either"
    assert topic.floors((), sequence, 11.0) == {}


def test_the_floor_is_not_above_what_is_unsettled(topic: Topic) -> None:
    publication = Publication(1, "a.b", b"", 1, 10.0, 20.0)
    outbox = topic.outboxes[A] = Outbox("a.b", A, 4, 4, 1.0)
    outbox.add(publication, topic.number((A,), 10.0))
    topic.number((A,), 15.0)
    sequence = topic.number((A,), 19.0)
    assert topic.floors((A,), sequence, 19.0) == {0: [A]}
    assert topic.floors((B,), sequence, 19.0) == {sequence: [B]}
    assert not topic.is_idle
