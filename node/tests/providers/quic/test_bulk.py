"""The bulk lane's window: it finds what a path carries, without a queue."""

from __future__ import annotations

import pytest

from macula.core.lanes import Lane
from macula.providers.quic.bulk import FASTEST, LEAST, SLACK, BulkWindow
from macula.providers.quic.settings import QuicSettings

from .network import Network, numbered

MOST = 1 << 20


def transfer(window: BulkWindow, rate: float, delay: float, seconds: float) -> tuple[float, float]:
    """Bytes per second and seconds of queue in the second half, over a link of this rate and round-trip time."""
    now = moved = queues = 0.0
    flying = 0
    steps = 0
    while now < seconds:
        window.put(bytes(MOST - window.waiting))
        queue = max(0.0, flying / rate - delay)
        flying += len(window.take(flying, delay + queue, now))
        now += delay / 2
        passed = min(flying, int(rate * delay / 2))
        flying -= passed
        if now > seconds / 2:
            moved, queues, steps = moved + passed, queues + queue, steps + 1
    return moved / (seconds / 2), queues / steps


@pytest.mark.parametrize(("mbit", "delay"), [(2, 0.1), (20, 0.02), (100, 0.03), (60, 0.1)])
def test_it_fills_the_path_and_queues_less_than_a_round_trip(mbit: float, delay: float) -> None:
    rate = mbit * 1e6 / 8
    moved, queue = transfer(BulkWindow(MOST), rate, delay, 60 * delay)
    assert moved > 0.8 * rate
    assert queue < max(delay, LEAST / rate)


def test_it_holds_no_more_than_two_processors_move_where_round_trips_show_no_queue() -> None:
    window, rtt = BulkWindow(8 * MOST), 0.0004
    for turn in range(1000):
        window.put(bytes(MOST - window.waiting))
        window.take(0, rtt, turn * rtt)
    assert LEAST < window.window == int(SLACK + FASTEST * rtt)
    assert SLACK + FASTEST * 0.1 > 8 * MOST, "no distant path has too little"


def test_it_yields_to_a_queue_that_others_make_but_never_stops() -> None:
    window = BulkWindow(MOST)
    window.put(bytes(MOST))
    window.take(0, 0.02, 1.0)
    for turn in range(100):
        window.take(LEAST, 0.2, 1.1 + turn)
        window.take(0, 0.2, 1.5 + turn)
        window.put(bytes(LEAST))
    assert window.window == LEAST


def test_frames_come_out_as_they_went_in() -> None:
    window = BulkWindow(MOST)
    frames = [bytes([number]) * 30_000 for number in range(20)]
    for frame in frames:
        window.put(frame)
    taken = b""
    for turn in range(5):
        taken += window.take(0, 0.01, float(turn))
    assert 0 < window.waiting == 600_000 - len(taken)
    assert taken + window.take_all() == b"".join(frames) and not window.waiting


def test_items_on_the_bulk_lane_come_complete_and_in_order_over_a_lossy_link() -> None:
    net = Network()
    a, b = net.pair()
    net.link.loss, net.link.jitter = 0.02, 0.005
    for number in range(1, 41):
        a.send(b, numbered(number, 30_000), Lane.BULK)
    net.run(30.0, lambda: len(b.numbers(Lane.BULK)) == 40)
    assert b.numbers(Lane.BULK) == [*range(1, 41)]


def test_a_small_message_passes_a_bulk_transfer() -> None:
    net = Network()
    a, b = net.pair()
    for number in range(1, 61):
        a.send(b, numbered(number, 60_000), Lane.BULK)
    net.run(0.1)
    a.send(b, numbered(7), Lane.RPC)
    net.run(5.0, lambda: b.numbers(Lane.RPC) == [7])
    assert b.numbers(Lane.RPC) == [7] and len(b.numbers(Lane.BULK)) < 40


def test_a_peer_with_fewer_lanes_is_not_sent_more_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("macula.providers.quic.tuned.TunedConnection.streams_allowed", 3)
    net = Network()
    a, b = net.host(1), net.host(2)
    a.dial(b)
    net.run(1.0)
    a.send(b, numbered(1), Lane.BULK)
    a.send(b, numbered(2), Lane.RPC)
    net.run(1.0)
    assert b.numbers() == [2] and not a.lost and not b.lost


def test_a_rate_of_the_uplink_is_shared_fairly_and_small_lanes_are_free_of_it() -> None:
    net = Network(settings=QuicSettings(bulk_rate=500_000))
    a = net.host(1)
    others = [net.host(seed) for seed in (2, 3)]
    for other in others:
        a.dial(other)
        net.run(1.0)
    for number in range(1, 401):
        for other in others:
            a.send(other, numbered(number, 10_000), Lane.BULK)
    for number in range(1, 401):
        a.send(others[0], numbered(number, 1000), Lane.RPC)
    net.run(4.0)
    assert others[0].numbers(Lane.RPC) == list(range(1, 401))
    came = [10_000 * len(other.numbers(Lane.BULK)) for other in others]
    assert sum(came) == pytest.approx(4 * 500_000, rel=0.1)
    assert came[0] == pytest.approx(came[1], rel=0.1)
    net.run(20.0)
    assert all(other.numbers(Lane.BULK) == list(range(1, 401)) for other in others)
