"""Several services together: what an application sees."""

from __future__ import annotations

import pytest

from macula.core.commands import PublishEvent, Subscribe
from macula.core.requests import Draining
from macula.core.results import PublishResult
from macula.errors import ArgumentError, NodeClosed
from macula.pubsub import PubSubSettings

from .net import Net


def result(net: Net, number: int, command: int) -> PublishResult:
    value = net.nodes[number].completed[command].result
    assert isinstance(value, PublishResult)
    return value


@pytest.mark.parametrize("qos", [0, 1])
def test_an_event_reaches_each_subscriber_node_once(qos: int) -> None:
    net = Net(4)
    exact = net.subscribe(1, "io.app.orders.placed")
    wild = net.subscribe(1, "io.app.**")
    one = net.subscribe(2, "io.app.*.placed")
    other = net.subscribe(3, "io.app.*")
    command = net.publish(0, "io.app.orders.placed", b"42", qos)
    net.run(1)
    ids = [node.id for node in net.nodes]
    assert result(net, 0, command) == PublishResult((ids[1], ids[2]), {})
    assert [action.peer for action in net.nodes[0].sent] == [ids[1], ids[2]], "one message for each node"
    assert net.nodes[1].payloads(exact) == net.nodes[1].payloads(wild) == net.nodes[2].payloads(one) == [b"42"]
    assert net.nodes[3].payloads(other) == []
    event = net.nodes[2].delivered[0]
    assert (event.topic, event.publisher, event.sequence, event.missed) == ("io.app.orders.placed", ids[0], 0, 0)


@pytest.mark.parametrize("qos", [0, 1])
def test_own_subscriptions_are_served_without_the_network(qos: int) -> None:
    net = Net(2)
    own = net.subscribe(0, "io.app.**")
    net.subscribe(1, "io.app.x")
    command = net.publish(0, "io.app.x", b"1", qos)
    net.run(1)
    assert sorted(result(net, 0, command).delivered) == [net.nodes[0].id, net.nodes[1].id]
    assert net.nodes[0].payloads(own) == [b"1"]
    assert net.nodes[0].service.idle


def test_without_subscribers_a_publish_succeeds_with_nobody() -> None:
    net = Net(1)
    command = net.publish(0, "io.app.x")
    net.run(1)
    assert result(net, 0, command) == PublishResult((), {})
    stop = [trace for trace in net.nodes[0].traces if trace.name == "publish.stop"]
    assert (stop[0].fields["topic"], stop[0].fields["code"]) == ("io.app.x", "ok")
    assert stop[0].measurements == {
        "duration": pytest.approx(net.lookup_delay * 1000),
        "subscribers": 0,
        "failed": 0,
    }


@pytest.mark.parametrize("interval", [0.1, 0.7, 0.8, 1.4, 1.6, 5.0])
def test_a_new_subscription_reaches_a_running_publisher_within_two_seconds(interval: float) -> None:
    net = Net(2)
    net.lookup_delay = 0.2
    for offset in (0.0, 0.3, 0.6):
        net.publish(0, "io.app.x", b"before", qos=0)
        net.run(interval * offset)
        subscription = net.subscribe(1, "io.app.*")
        begun = net.now
        payloads = []
        while net.now < begun + 2:
            net.run(interval)
            payloads.append(b"%f" % net.now)
            net.publish(0, "io.app.x", payloads[-1], qos=0)
        net.run(1)
        due = [payload for payload in payloads if float(payload) >= begun + 2]
        assert due
        assert set(due) <= set(net.nodes[1].payloads(subscription))
        net.unsubscribe(1, subscription)


def test_after_unsubscribing_nothing_comes_and_nothing_fails() -> None:
    net = Net(2)
    subscription = net.subscribe(1, "io.app.x")
    net.publish(0, "io.app.x", b"1")
    net.run(0.1)
    net.unsubscribe(1, subscription)
    assert net.records["io.app.x"] == {}
    command = net.publish(0, "io.app.x", b"2")
    net.run(0.1)
    assert result(net, 0, command) == PublishResult((), {}), "the subscriber said that it has no subscription"
    assert net.nodes[1].payloads(subscription) == [b"1"]
    sent = len(net.nodes[0].sent)
    net.publish(0, "io.app.x", b"3")
    net.run(0.1)
    assert len(net.nodes[0].sent) == sent, "and it is not asked again"


def test_publishes_keep_their_order_while_the_first_waits_for_the_directory() -> None:
    net = Net(2)
    subscription = net.subscribe(1, "io.app.x")
    net.lookup_delay = 0.5
    for i in range(20):
        net.publish(0, "io.app.x", b"%d" % i, qos=i % 2)
        net.run(0.07)
    net.run(2)
    assert net.nodes[1].payloads(subscription) == [b"%d" % i for i in range(20)]


def test_a_slow_subscription_holds_back_only_itself() -> None:
    net = Net(3)
    net.nodes[1].consumes = False
    slow = net.subscribe(1, "io.app.x", capacity=2)
    fast = net.subscribe(1, "io.app.*", capacity=100)
    other = net.subscribe(2, "io.app.x")
    commands = [net.publish(0, "io.app.x", b"%d" % i, timeout=3) for i in range(5)]
    net.run(0.2)
    assert net.nodes[1].payloads(fast) == [b"0", b"1", b"2", b"3", b"4"]
    assert net.nodes[2].payloads(other) == [b"0", b"1", b"2", b"3", b"4"]
    assert net.nodes[1].payloads(slow) == [b"0", b"1"]
    assert result(net, 0, commands[1]).failed == {}
    assert commands[2] not in net.nodes[0].completed
    net.consume(1)
    net.run(0.8)
    assert net.nodes[1].payloads(slow) == [b"0", b"1", b"2", b"3"], "the retries fill the room, in order"
    net.run(3)
    last = result(net, 0, commands[4])
    assert last == PublishResult((net.nodes[2].id,), {net.nodes[1].id: "busy"})
    assert net.nodes[0].completed_at[commands[4]] == pytest.approx(100.6 + 3)
    net.consume(1)
    net.publish(0, "io.app.x", b"5")
    net.run(1)
    told = [(event.payload, event.missed) for event in net.nodes[1].delivered if event.subscription == slow]
    assert told == [(b"0", 0), (b"1", 0), (b"2", 0), (b"3", 0), (b"5", 1)]
    assert net.nodes[1].payloads(fast)[-1] == b"5"


def test_qos_0_is_dropped_for_the_full_subscription_and_it_is_told() -> None:
    net = Net(2)
    net.nodes[1].consumes = False
    slow = net.subscribe(1, "io.app.x", capacity=1)
    fast = net.subscribe(1, "io.app.*")
    for i in range(3):
        net.publish(0, "io.app.x", b"%d" % i, qos=0)
    net.run(1)
    net.consume(1)
    net.publish(0, "io.app.x", b"3", qos=0)
    net.run(1)
    assert [(e.payload, e.missed) for e in net.nodes[1].delivered if e.subscription == slow] == [(b"0", 0), (b"3", 2)]
    assert net.nodes[1].payloads(fast) == [b"0", b"1", b"2", b"3"]
    dropped = [trace for trace in net.nodes[1].traces if trace.name == "subscribe.dropped"]
    assert [trace.fields["subscription"] for trace in dropped] == [slow, slow]


def test_with_ack_consumed_the_publisher_waits_for_the_application() -> None:
    net = Net(2)
    net.nodes[1].consumes = False
    net.subscribe(1, "io.app.x", ack_consumed=True)
    command = net.publish(0, "io.app.x", b"1", timeout=20)
    net.run(10)
    assert command not in net.nodes[0].completed
    assert not net.nodes[0].service.idle
    assert len(net.nodes[1].delivered) == 1, "repeats are not delivered again"
    net.consume(1)
    net.run(0.1)
    assert result(net, 0, command).delivered == (net.nodes[1].id,)


def test_a_lost_connection_costs_nothing_within_the_deadline() -> None:
    net = Net(2)
    subscription = net.subscribe(1, "io.app.x")
    net.publish(0, "io.app.x", b"0")
    net.run(1)
    net.set_link(0, 1, up=False)
    net.disconnect(1)
    commands = [net.publish(0, "io.app.x", b"%d" % i) for i in range(1, 6)]
    net.run(2)
    assert not set(commands) & set(net.nodes[0].completed)
    assert net.nodes[0].holds[net.nodes[1].id] == 1
    net.set_link(0, 1, up=True)
    net.run(1)
    assert all(result(net, 0, command).delivered == (net.nodes[1].id,) for command in commands)
    assert net.nodes[1].payloads(subscription) == [b"%d" % i for i in range(6)]
    assert net.nodes[0].holds[net.nodes[1].id] == 0


def test_qos_0_does_not_overtake_what_was_lost() -> None:
    net = Net(2)
    subscription = net.subscribe(1, "io.app.x")
    net.publish(0, "io.app.x", b"0")
    net.run(1)
    net.set_link(0, 1, up=False)
    net.publish(0, "io.app.x", b"1")
    net.run(0.012)
    net.set_link(0, 1, up=True)
    command = net.publish(0, "io.app.x", b"2", qos=0)
    assert command not in net.nodes[0].completed, "it waits for the retry of the one before"
    net.run(1)
    assert result(net, 0, command).delivered == (net.nodes[1].id,)
    assert net.nodes[1].payloads(subscription) == [b"0", b"1", b"2"]


def test_an_unreachable_subscriber_fails_at_the_deadline_and_not_later() -> None:
    net = Net(3)
    net.subscribe(1, "io.app.x")
    net.subscribe(2, "io.app.x")
    net.set_link(0, 1, up=False)
    begun = net.now
    command = net.publish(0, "io.app.x", timeout=2.5)
    net.run(5)
    assert result(net, 0, command) == PublishResult((net.nodes[2].id,), {net.nodes[1].id: "disconnected"})
    assert net.nodes[0].completed_at[command] == pytest.approx(begun + 2.5)
    assert net.nodes[0].service.next_deadline() is None


def test_a_silent_subscriber_is_a_timeout() -> None:
    net = Net(2)
    net.subscribe(1, "io.app.x")
    net.links[1, 0].loss = 1.0
    command = net.publish(0, "io.app.x", timeout=4)
    net.run(5)
    assert result(net, 0, command) == PublishResult((), {net.nodes[1].id: "timeout"})
    assert len(net.nodes[1].delivered) == 1


def test_a_publisher_that_restarts_is_heard_even_with_its_clock_set_back() -> None:
    net = Net(2)
    subscription = net.subscribe(1, "io.app.x")
    for i in range(3):
        net.publish(0, "io.app.x", b"a%d" % i)
    net.run(1)
    net.restart(0)
    net.publish(0, "io.app.x", b"b0")
    net.run(1)
    assert net.nodes[1].payloads(subscription) == [b"a0", b"a1", b"a2", b"b0"]
    net.restart(0, clock_offset=-86_400)
    command = net.publish(0, "io.app.x", b"c0", timeout=10)
    net.run(10)
    assert net.nodes[1].payloads(subscription) == [b"a0", b"a1", b"a2", b"b0", b"c0"]
    assert result(net, 0, command).delivered == (net.nodes[1].id,)


def test_draining_refuses_new_work_withdraws_and_finishes_what_runs() -> None:
    net = Net(2)
    own = net.subscribe(0, "io.own.x")
    subscription = net.subscribe(1, "io.app.x")
    command = net.publish(0, "io.app.x", b"1")
    net.handle(0, Draining())
    assert net.records["io.own.x"] == {}
    with pytest.raises(NodeClosed):
        net.publish(0, "io.app.x")
    with pytest.raises(NodeClosed):
        net.give(0, Subscribe("io.app.x", 1, False))
    assert not net.nodes[0].service.idle
    net.run(1)
    assert net.nodes[0].service.idle
    assert net.nodes[1].payloads(subscription) == [b"1"]
    assert result(net, 0, command).delivered == (net.nodes[1].id,)
    net.unsubscribe(0, own)


def test_wrong_arguments_are_named_and_change_nothing() -> None:
    net = Net(1, PubSubSettings(max_capacity=10))
    wrong: list[tuple[PublishEvent | Subscribe, str]] = [
        (PublishEvent("a.*", b"", 0, 1.0), "topic"),
        (PublishEvent("a.b", b"", 2, 1.0), "qos"),
        (PublishEvent("a.b", b"", 1, 0.0), "timeout"),
        (PublishEvent("a.b", b"", 1, float("nan")), "timeout"),
        (PublishEvent("a.b", bytes(1 << 20), 1, 1.0), "payload"),
        (Subscribe("**", 1, False), "pattern"),
        (Subscribe("a.b", 0, False), "capacity"),
        (Subscribe("a.b", 11, False), "capacity"),
    ]
    for command, field in wrong:
        with pytest.raises(ArgumentError) as caught:
            net.give(0, command)
        assert caught.value.field == field
    with pytest.raises(ArgumentError, match="subscription"):
        net.unsubscribe(0, 7)
    assert net.nodes[0].service.idle
    assert net.nodes[0].service.patterns == ()
    assert net.nodes[0].service.next_deadline() is None
