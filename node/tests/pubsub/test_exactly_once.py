"""Random interleavings of publishing, slow consumption, loss, reordering and lost connections."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise, product

from hypothesis import given, settings
from hypothesis import strategies as st

from macula.core.deliveries import EventDelivery
from macula.core.results import PublishResult
from macula.errors import Timeout
from macula.identity import NodeId
from macula.pubsub import PubSubSettings
from macula.wire.messages import Publish

from .net import Net

TOPICS = ["io.app.a", "io.app.b"]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.integers(0, 1), st.integers(0, 1)),
        st.tuples(st.just("burst"), st.integers(0, 1), st.integers(0, 1)),
        st.tuples(st.just("consume"), st.integers(2, 3), st.integers(1, 5)),
        st.tuples(st.just("disconnect"), st.integers(0, 3), st.just(0)),
        st.tuples(st.just("down"), st.integers(0, 1), st.integers(2, 3)),
        st.tuples(st.just("up"), st.integers(0, 1), st.integers(2, 3)),
        st.tuples(st.just("run"), st.integers(1, 60), st.just(0)),
    ),
    min_size=3,
    max_size=40,
)


def play(net: Net, steps: list[tuple[str, int, int]], timeout: float, qos: int | None = None) -> dict[int, float]:
    """Carry out the steps; returns each publish command with its deadline. Payload: number of the command."""
    deadlines: dict[int, float] = {}
    count = 0
    for name, a, b in steps:
        match name:
            case "publish" | "burst":
                for i in range(1 if name == "publish" else 7):
                    count += 1
                    level = i % 2 if qos is None else qos
                    command = net.publish(a, TOPICS[b], b"%d" % count, level, timeout)
                    deadlines[command] = net.now + timeout
            case "consume":
                net.consume(a, b)
            case "disconnect":
                net.disconnect(a)
            case "down" | "up":
                net.set_link(a, b, up=name == "up")
            case _:
                net.run(a * 0.01)
    return deadlines


def by_stream(events: list[EventDelivery], subscription: int) -> dict[tuple[NodeId, str], list[EventDelivery]]:
    streams: dict[tuple[NodeId, str], list[EventDelivery]] = defaultdict(list)
    for event in events:
        if event.subscription == subscription:
            streams[event.publisher, event.topic].append(event)
    return streams


def make(seed: int, jitter: float, loss: float, capacity: int, ack_consumed: bool) -> tuple[Net, list[tuple[int, int]]]:
    """Publishers 0 and 1, subscribers 2 and 3 with a quick and a slow subscription each."""
    net = Net(4, PubSubSettings(window=4, reorder_limit=8), seed)
    subscriptions = []
    for number in (2, 3):
        subscriptions.append((number, net.subscribe(number, "io.app.*", 1000, False)))
        subscriptions.append((number, net.subscribe(number, "io.app.a", capacity, ack_consumed)))
        net.nodes[number].consumes = False
    for a in (0, 1):
        for b in (2, 3):
            net.set_link(a, b, jitter=jitter, loss=loss)
    return net, subscriptions


@settings(max_examples=60)
@given(STEPS, st.integers(0, 99), st.sampled_from([0.0, 0.05, 0.3]), st.sampled_from([0.0, 0.3]), st.booleans())
def test_qos_1_exactly_once_in_order(
    steps: list[tuple[str, int, int]], seed: int, jitter: float, loss: float, ack_consumed: bool
) -> None:
    net, subscriptions = make(seed, jitter, loss, capacity=3, ack_consumed=ack_consumed)
    commands = play(net, steps, timeout=600.0, qos=1)
    for a in (0, 1):
        for b in (2, 3):
            net.set_link(a, b, up=True, loss=0.0, jitter=0.0)
    for _ in range(400):
        if all(net.nodes[a].service.idle for a in (0, 1)):
            break
        net.run(0.5)
        net.consume(2)
        net.consume(3)
    for publisher in net.nodes[:2]:
        for command in commands:
            if command in publisher.completed:
                value = publisher.completed[command].result
                assert isinstance(value, PublishResult)
                assert value.failed == {}
                assert sorted(value.delivered) == [net.nodes[2].id, net.nodes[3].id]
        assert publisher.service.idle
        assert not any(publisher.holds.values())
    sent: dict[tuple[int, int], int] = defaultdict(int)
    for name, a, b in steps:
        sent[a, b] += {"publish": 1, "burst": 7}.get(name, 0)
    for number, subscription in subscriptions:
        topics = [0, 1] if subscription == 1 else [0]
        streams = by_stream(net.nodes[number].delivered, subscription)
        for index, topic in product((0, 1), topics):
            events = streams[net.nodes[index].id, TOPICS[topic]]
            assert [event.sequence for event in events] == list(range(sent[index, topic]))
            assert all(event.missed == 0 for event in events)
            payloads = [int(event.payload) for event in events]
            assert payloads == sorted(payloads), "in the order of the commands"


@settings(max_examples=60)
@given(STEPS, st.integers(0, 99), st.sampled_from([0.0, 0.05, 0.3]), st.sampled_from([0.0, 0.3]), st.booleans())
def test_with_short_deadlines_what_is_acknowledged_was_delivered_and_losses_are_told(
    steps: list[tuple[str, int, int]], seed: int, jitter: float, loss: float, ack_consumed: bool
) -> None:
    net, subscriptions = make(seed, jitter, loss, capacity=3, ack_consumed=ack_consumed)
    commands = play(net, steps, timeout=0.4)
    net.run(3)
    for command, deadline in commands.items():
        ends = [node.completed_at[command] for node in net.nodes[:2] if command in node.completed]
        assert len(ends) == 1
        assert ends[0] <= deadline + 1e-6
    for number, subscription in subscriptions:
        for events in by_stream(net.nodes[number].delivered, subscription).values():
            sequences = [event.sequence for event in events]
            assert sequences == sorted(set(sequences)), "in order, no repeats"
            gaps = [b - a - 1 for a, b in pairwise(sequences)]
            assert [event.missed for event in events] == [0, *gaps][: len(events)]
    messages = [action.message for node in net.nodes[:2] for action in node.sent]
    qos_of = {int(message.payload): message.qos for message in messages if isinstance(message, Publish)}
    for publisher in net.nodes[:2]:
        for number_of_event, command in enumerate(commands, start=1):
            if command not in publisher.completed or qos_of.get(number_of_event, 0) == 0:
                continue
            completed = publisher.completed[command]
            if completed.error is not None:
                assert isinstance(completed.error, Timeout)
                continue
            assert isinstance(completed.result, PublishResult)
            assert not set(completed.result.delivered) & set(completed.result.failed)
            for node in net.nodes[2:]:
                if node.id in completed.result.delivered:
                    assert b"%d" % number_of_event in [event.payload for event in node.delivered], (
                        "acknowledged, so delivered"
                    )
    assert all(node.service.idle for node in net.nodes)
    assert not any(any(node.holds.values()) for node in net.nodes)
