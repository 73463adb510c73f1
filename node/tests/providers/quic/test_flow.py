"""Credit and windows: nothing is buffered without bound on either side, and lanes do not hold each other back."""

from __future__ import annotations

import pytest

from macula.core.effects import ClosePeer, Multicast, PauseReading
from macula.core.events import LaneSlowed, MessageReceived, SendBlocked, SendReady
from macula.core.lanes import Lane
from macula.providers.quic import endpoint
from macula.providers.quic.settings import QuicSettings
from macula.wire import Message, encode
from macula.wire.header import MAX_FRAME

from .network import Host, Network, numbered

PIECE = 10_000


def flood(net: Network, sender: Host, receiver: Host, lane: Lane, count: int, first: int = 1) -> int:
    """Send numbered messages until SendBlocked or `count` is reached; the number of the last one."""
    number = first - 1
    while number < first - 1 + count and SendBlocked(receiver.id, lane) not in sender.events:
        number += 1
        sender.send(receiver, numbered(number, PIECE), lane)
        net.run(0.0)
    return number


def test_a_paused_receiver_gets_one_window_and_the_sender_is_blocked_then_all_arrives_in_order() -> None:
    net = Network()
    a, b = net.pair()
    b.do(PauseReading(a.id, Lane.RPC, True))
    last = flood(net, a, b, Lane.RPC, 1000)
    net.run(30.0)
    window = net.settings.lane_window
    got = sum(event.size for event in b.of(MessageReceived))
    assert window - 2 * PIECE <= got <= window
    last = flood(net, a, b, Lane.RPC, 1000, first=last + 1) if SendBlocked(b.id, Lane.RPC) not in a.events else last
    net.run(30.0)
    assert SendBlocked(b.id, Lane.RPC) in a.events
    assert last * PIECE <= window + net.settings.high_water + 2 * PIECE
    assert sum(event.size for event in b.of(MessageReceived)) <= window
    b.do(PauseReading(a.id, Lane.RPC, False))
    net.run(30.0)
    assert b.numbers(Lane.RPC) == list(range(1, last + 1))
    assert a.of(SendReady)[-1] == SendReady(b.id, Lane.RPC)


def test_a_blocked_lane_does_not_stop_the_others() -> None:
    net = Network()
    a, b = net.pair()
    b.do(PauseReading(a.id, Lane.RPC, True))
    b.do(PauseReading(a.id, Lane.PUBSUB, True))
    for lane in (Lane.RPC, Lane.PUBSUB):
        for number in range(300):
            a.send(b, numbered(number, PIECE), lane)
    net.run(10.0)
    for number in range(300):
        a.send(b, numbered(number, PIECE), Lane.CONTROL)
    net.run(10.0)
    assert b.numbers(Lane.CONTROL) == list(range(300))


def test_ten_windows_pass_a_reader_that_keeps_up() -> None:
    net = Network()
    a, b = net.pair()
    for number in range(1000):
        a.send(b, numbered(number, PIECE), Lane.PUBSUB)
    net.run(60.0)
    assert b.numbers(Lane.PUBSUB) == list(range(1000))
    assert [type(event) for event in a.events] == [SendBlocked, SendReady]


@pytest.mark.parametrize("loss", [0.0, 0.05])
def test_a_message_of_the_largest_size_arrives(loss: float) -> None:
    net = Network()
    a, b = net.pair()
    net.link.loss = loss
    biggest = numbered(1, MAX_FRAME - 200)
    a.send(b, biggest, Lane.PUBSUB)
    a.send(b, numbered(2), Lane.PUBSUB)
    net.run(120.0, lambda: len(b.numbers()) == 2)
    assert b.received(Lane.PUBSUB) == [biggest, numbered(2)]
    assert b.of(MessageReceived)[0].size > 1_048_000


def test_a_window_does_not_grow() -> None:
    net = Network(settings=QuicSettings(lane_window=100_000))
    a, b = net.pair()
    for number in range(200):
        a.send(b, numbered(number, PIECE), Lane.RPC)
    net.run(20.0)
    assert len(b.numbers()) == 200
    b.events.clear()
    b.do(PauseReading(a.id, Lane.RPC, True))
    for number in range(200):
        a.send(b, numbered(number, PIECE), Lane.RPC)
    net.run(20.0)
    assert 0 < sum(event.size for event in b.of(MessageReceived)) <= 100_000 + PIECE


def test_one_message_to_many_peers_is_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    net = Network()
    a = net.host(1)
    others = [net.host(seed) for seed in (2, 3, 4)]
    for other in others:
        a.dial(other)
    net.run(1.0)
    encoded: list[Message] = []

    def counted(message: Message, *, compressed: bool) -> bytes:
        encoded.append(message)
        return encode(message, compressed=compressed)

    monkeypatch.setattr(endpoint, "encode", counted)
    message = numbered(1)
    a.do(Multicast(tuple(other.id for other in others), Lane.PUBSUB, message))
    net.run(1.0)
    assert encoded == [message]
    assert all(other.received(Lane.PUBSUB) == [message] for other in others)


def test_what_was_sent_before_a_goodbye_is_read_though_it_was_too_much_for_a_turn() -> None:
    net = Network()
    a, b = net.pair()
    for number in range(1, 501):
        a.send(b, numbered(number), Lane.PUBSUB)
    a.do(ClosePeer(b.id, "going_away", "enough"))
    net.run(5.0)
    assert b.numbers(Lane.PUBSUB) == list(range(1, 501))
    assert [event.code for event in b.lost] == ["going_away"]


def test_a_peer_over_its_rate_is_told_of_once_slowed_and_loses_nothing() -> None:
    net = Network(settings=QuicSettings(control_rate=100))
    a, b = net.pair()
    for number in range(1, 1001):
        a.send(b, numbered(number))
    net.run(2.0)
    assert 200 < len(b.numbers()) < 400
    assert b.of(LaneSlowed) == [LaneSlowed(a.id, Lane.CONTROL)]
    net.run(10.0)
    assert b.numbers() == list(range(1, 1001)) and not b.lost
