"""What a peer may not do with its streams; every breach closes with a code, and only that connection."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from macula.core.effects import PauseReading
from macula.core.lanes import Lane
from macula.errors import ProtocolError
from macula.providers.quic.lanes import CONTINUES, TURN, InboundLanes
from macula.providers.quic.settings import QuicSettings
from macula.providers.quic.tuned import TunedConnection
from macula.wire import Message, encode

from .network import Network, numbered

WINDOW = 100_000
SETTINGS = QuicSettings(lane_window=WINDOW)


def pour(lanes: InboundLanes, stream_id: int, data: bytes, cuts: list[int]) -> list[Message]:
    """Feed data in pieces; what came out."""
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in itertools.pairwise(edges)]
    return [message for piece in pieces if piece for message, _ in lanes.feed(stream_id, piece, False, 0.0)[1]]


def read_on(lanes: InboundLanes, now: float) -> list[Message]:
    """What waited and may be read now."""
    return [message for _, decoded, _, _ in lanes.read_on(now) for message, _ in decoded]


@given(st.lists(st.integers(0, 10_000), max_size=20), st.lists(st.integers(0, 500), max_size=8))
def test_messages_come_out_however_the_stream_is_cut(cuts: list[int], sizes: list[int]) -> None:
    messages = [numbered(number, size) for number, size in enumerate(sizes)]
    data = bytes([Lane.RPC]) + b"".join(encode(message) for message in messages)
    assert pour(InboundLanes(SETTINGS), 2, data, cuts) == messages


def test_a_continuing_lane_waits_until_it_is_released() -> None:
    lanes = InboundLanes(SETTINGS)
    data = bytes([Lane.RPC | CONTINUES]) + encode(numbered(1))
    assert pour(lanes, 2, data, []) == [] and lanes.continues
    assert lanes.resume_at is None
    lanes.release(Lane.RPC)
    assert read_on(lanes, 0.0) == [numbered(1)]
    assert not lanes.continues and lanes.resume_at is None


def test_windows_follow_what_was_consumed_and_stop_when_paused() -> None:
    lanes = InboundLanes(SETTINGS)
    lanes.feed(2, bytes([Lane.RPC]), False, 0.0)
    frame = encode(numbered(1, 30_000))
    lanes.feed(2, frame, False, 0.0)
    assert lanes.grants() == [(2, WINDOW + 1 + len(frame))] and lanes.grants() == []
    assert lanes.connection_limit == len(Lane) * WINDOW + 1 + len(frame)
    lanes.pause(Lane.RPC, True)
    lanes.feed(2, frame, False, 0.0)
    assert lanes.grants() == []
    lanes.pause(Lane.RPC, False)
    assert lanes.grants() == [(2, WINDOW + 1 + 2 * len(frame))]


def burst(lane: Lane, count: int, size: int = 0) -> bytes:
    """A lane from its start."""
    return bytes([lane]) + b"".join(encode(numbered(number, size)) for number in range(count))


def test_one_turn_is_for_so_many_messages_of_a_peer_and_nothing_is_lost_or_out_of_order() -> None:
    lanes = InboundLanes(SETTINGS)
    got = [message for message, _ in lanes.feed(2, burst(Lane.RPC, 300), True, 1.0)[1]]
    assert TURN <= len(got) < 2 * TURN, "whole pieces are read"
    while lanes.resume_at is not None:
        before = len(got)
        assert lanes.resume_at <= 1.0 and not lanes.all_ended
        ((_, decoded, ended, slowed),) = lanes.read_on(1.0)
        got += [message for message, _ in decoded]
        assert before < len(got) < before + 2 * TURN and not slowed
    assert got == [numbered(number, 0) for number in range(300)] and ended


def test_small_lanes_are_read_on_before_large_ones() -> None:
    lanes = InboundLanes(SETTINGS)
    for stream_id, lane in ((2, Lane.BULK), (6, Lane.RPC), (10, Lane.CONTROL)):
        lanes.feed(stream_id, burst(lane, 150), False, 1.0)
    order = []
    while lanes.resume_at is not None:
        order += [lane for lane, decoded, _, _ in lanes.read_on(1.0) if decoded]
    assert order == sorted(order) and set(order) == {Lane.CONTROL, Lane.RPC, Lane.BULK}


@pytest.mark.parametrize(
    ("lane", "settings", "count", "size", "seconds"),
    [
        (Lane.CONTROL, {"control_rate": 100}, 1000, 0, 9.5),
        (Lane.CONTROL, {"control_rate": 100}, 100, 40_000, 9.5),
        (Lane.RPC, {"message_rate": 200}, 1000, 0, 4.5),
        (Lane.BULK, {"byte_rate": 20_000}, 100, 1000, 4.7),
        (Lane.BULK, {}, 1000, 0, 0.0),
    ],
    ids=["control", "large control", "rpc", "bytes", "by default"],
)
def test_a_lane_is_read_at_its_rate_and_its_window_stays_shut(
    lane: Lane, settings: dict[str, float], count: int, size: int, seconds: float
) -> None:
    lanes = InboundLanes(QuicSettings(lane_window=WINDOW, **settings))  # type: ignore[arg-type]
    data = burst(lane, count, size)
    now, got, times = 100.0, [], 0
    for start in range(0, len(data), 1000):
        _, decoded, _, slowed = lanes.feed(2, data[start : start + 1000], False, now)
        got += decoded
        times += slowed
    if times:
        assert sum(limit for _, limit in lanes.grants()) < WINDOW + len(data) / 2
    while lanes.resume_at is not None:
        now = max(now, lanes.resume_at)
        for _, decoded, _, slowed in lanes.read_on(now):
            got += decoded
            times += slowed
    assert [message for message, _ in got] == [numbered(number, size) for number in range(count)]
    assert now - 100.0 == pytest.approx(seconds, rel=0.1, abs=0.01)
    assert times == bool(seconds)


def test_what_came_before_the_end_is_read_as_far_as_the_rate_allows() -> None:
    lanes = InboundLanes(QuicSettings(message_rate=1000))
    got = lanes.feed(2, burst(Lane.RPC, 2000), True, 1.0)[1]
    for _, decoded, _, _ in lanes.read_on(1.0, last=True):
        got += decoded
    assert 500 <= len(got) < 700


@pytest.mark.parametrize("first", [bytes([4]), bytes([0x7F]), bytes([4 | CONTINUES]), b""])
def test_unknown_lanes_are_refused(first: bytes) -> None:
    with pytest.raises(ProtocolError):
        InboundLanes(SETTINGS).feed(2, first, True, 0.0)


def write(stream_id: int, data: bytes, end: bool = False) -> Callable[[TunedConnection], None]:
    return lambda quic: quic.send_stream_data(stream_id, data, end)


def overdraw(quic: TunedConnection) -> None:
    quic._streams[2].max_stream_data_remote = quic._remote_max_data = 1 << 40
    quic.send_stream_data(2, encode(numbered(1, 1000_000)) + encode(numbered(1, 1000_000)))
    quic._loss._cc.congestion_window = 1 << 30


def ignore_stream_limits(quic: TunedConnection) -> None:
    quic._remote_max_streams_uni = quic._remote_max_streams_bidi = 100


@pytest.mark.parametrize(
    ("breach", "code"),
    [
        (write(2, b"\x02\x10\xff" + b"\xff" * 20), "bad_frame"),
        (write(2, b"\xff" * 20), "no_common_version"),
        (write(2, b"\x02\x7f\x00\x00\x00\x00\x00\x00"), "unknown_type"),
        (write(2, b"\x02\x10\x00\x00\x00\x00\x00\x01\x80"), "bad_message"),
        (write(2, b"", end=True), "unexpected"),
        (lambda quic: quic.reset_stream(2, 7), "unexpected"),
        (lambda quic: quic.stop_stream(3, 7), "unexpected"),
        (write(0, b"x"), "transport_error"),
        (write(18, b"x"), "transport_error"),
        (overdraw, "transport_error"),
    ],
    ids=["frame", "version", "type", "message", "fin", "reset", "stop", "bidi", "fifth", "window"],
)
def test_a_breach_closes_that_connection_with_a_code_and_no_other(
    breach: Callable[[TunedConnection], None], code: str
) -> None:
    net = Network()
    a, b = net.pair()
    other = net.host(3)
    other.dial(b)
    net.run(1.0)
    (connection,) = a.endpoint._connections
    b.do(PauseReading(a.id, Lane.CONTROL, True))
    ignore_stream_limits(connection._quic)
    breach(connection._quic)
    a.endpoint._connections.touch(connection)
    net.run(5.0)
    assert [event.code for event in b.lost] == [code] and b.lost[0].reason
    assert [event.code for event in a.lost] == [code]
    b.events.clear()
    other.send(b, numbered(5))
    net.run(1.0)
    assert b.numbers() == [5] and not b.lost


def test_sending_on_a_connection_that_a_peer_has_just_broken_is_harmless() -> None:
    net = Network()
    a, b = net.pair()
    (connection,) = a.endpoint._connections
    connection._quic.stop_stream(3, 7)
    a.endpoint._connections.touch(connection)
    # Between the packet and its consequences, as an engine does that answers what came with it.
    for data, _ in a.endpoint.datagrams_to_send(net.now):
        b.endpoint.receive(data, a.address, net.now)
        for lane in Lane:
            b.send(a, numbered(1), lane)
    net.run(1.0)
    assert [event.code for event in b.lost] == ["unexpected"]


def test_the_same_lane_twice_is_refused() -> None:
    lanes = InboundLanes(SETTINGS)
    lanes.feed(2, bytes([Lane.RPC]), False, 0.0)
    with pytest.raises(ProtocolError, match="opened twice"):
        lanes.feed(6, bytes([Lane.RPC]), False, 0.0)
