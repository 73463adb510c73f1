"""What is begun must be finished, in time and within the memory that there is for it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from macula.core.effects import PauseReading
from macula.core.lanes import Lane
from macula.providers.quic.connection import Connection
from macula.providers.quic.settings import QuicSettings
from macula.wire import encode
from macula.wire.header import pack_header
from macula.wire.messages import Publish

from .network import Host, Network, numbered

FRAME = encode(numbered(1, 200_000))


def stream_of(connection: Connection, lane: Lane) -> int:
    """The open stream of a lane."""
    outbound = connection._outbound._lanes[lane]
    connection._outbound._give(outbound, b"")
    assert outbound.stream_id is not None
    return outbound.stream_id


def write(host: Host, lane: Lane, data: bytes) -> None:
    """Bytes of a lane that need not be whole frames."""
    (connection,) = host.endpoint._connections
    connection._quic.send_stream_data(stream_of(connection, lane), data)
    host.endpoint._connections.touch(connection)


def trickle(net: Network, host: Host, rate: int, seconds: float, over: Callable[[], bool]) -> None:
    """A frame, so many bytes of it each second, as long as the connection is there."""
    sent = 0
    end = net.now + seconds
    while net.now < end and not over():
        write(host, Lane.BULK, FRAME[sent : sent + rate])
        sent += rate
        net.run(1.0)


@pytest.mark.parametrize("rate", [0, 1, 1000])
def test_a_frame_that_does_not_come_to_an_end_ends_the_connection(rate: int) -> None:
    net = Network()
    a, b = net.pair()
    began = net.now
    write(a, Lane.BULK, pack_header(Publish.TYPE, len(FRAME)))
    trickle(net, a, rate, 300, lambda: bool(b.lost))
    (lost,) = b.lost
    assert (lost.code, lost.reason) == ("unexpected", "a message was not finished in time")
    assert net.now - began == pytest.approx(31 + rate * 40 / 4096, abs=3)
    assert b.endpoint.connections == 0


def test_who_is_slow_but_not_that_slow_may_finish() -> None:
    net = Network()
    a, b = net.pair()
    trickle(net, a, 4500, 50, lambda: bool(b.lost))
    assert b.numbers(Lane.BULK) == [1] and not b.lost


def test_other_messages_on_the_lane_begin_the_time_anew() -> None:
    net = Network()
    a, b = net.pair()
    for number in range(1, 6):
        write(a, Lane.BULK, encode(numbered(number))[:20])
        net.run(25.0)
        write(a, Lane.BULK, encode(numbered(number))[20:])
    net.run(1.0)
    assert b.numbers(Lane.BULK) == [1, 2, 3, 4, 5] and not b.lost


def test_a_lane_that_this_side_does_not_read_is_not_late() -> None:
    net = Network(settings=QuicSettings(lane_window=100_000))
    a, b = net.pair()
    b.do(PauseReading(a.id, Lane.BULK, True))
    write(a, Lane.BULK, FRAME)
    net.run(300.0)
    assert not b.lost
    b.do(PauseReading(a.id, Lane.BULK, False))
    net.run(1.0)
    assert b.numbers(Lane.BULK) == [1]


def test_a_hole_that_is_never_filled_ends_the_connection() -> None:
    net = Network()
    a, b = net.pair()
    net.run(1.0)
    (connection,) = a.endpoint._connections
    stream_id = stream_of(connection, Lane.BULK)
    connection._quic.send_stream_data(stream_id, bytes(500_000))
    connection._quic._streams[stream_id].sender._pending.subtract(1, 100)
    a.endpoint._connections.touch(connection)
    net.run(20.0)
    (held,) = b.endpoint._connections
    assert sum(part.size for part in held.unread) == 500_000 and not b.lost
    net.run(300.0)
    assert [lost.code for lost in b.lost] == ["unexpected"]


def test_who_holds_most_goes_when_all_hold_too_much() -> None:
    net = Network(settings=QuicSettings(max_unread=250_000))
    b = net.host(9)
    hosts = [net.host(seed) for seed in (1, 2, 3)]
    for host, size in zip(hosts, (50_000, 150_000, 100_000), strict=True):
        host.dial(b)
        net.run(1.0)
        write(host, Lane.RPC, FRAME[:size])
    net.run(3.0)
    assert [(lost.peer, lost.code) for lost in b.lost] == [(hosts[1].id, "busy")]
    net.run(3.0)
    assert len(b.lost) == 1


def test_nothing_is_looked_at_while_nothing_is_unread() -> None:
    net = Network()
    a, b = net.pair()
    a.send(b, numbered(1))
    net.run(3.0)
    assert b.endpoint._audit.next_at is None
