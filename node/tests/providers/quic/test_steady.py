from __future__ import annotations

import inspect
import re
from collections import defaultdict
from unittest.mock import patch

import pytest
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import PingAcknowledged, StreamDataReceived
from hypothesis import given, settings
from hypothesis import strategies as st

from macula.providers.quic import steady
from macula.providers.quic.steady import SteadyConnection
from macula.providers.quic.tuned import VIRTUAL_ADDRESS, TunedConnection

from .pair import connected_pair, exchange, pass_on

CONNECTION = {
    "_close_at", "_crypto_streams", "_cryptos", "_datagrams_pending", "_handshake_confirmed", "_handshake_done_pending",
    "_host_cids", "_initialize", "_local_max_data", "_loss", "_loss_at", "_network_paths", "_pacing_at",
    "_ping_pending", "_probe_pending", "_remote_max_data", "_remote_max_data_used", "_retire_connection_ids", "_spaces",
    "_state", "_streams_blocked_pending", "_streams_queue", "_write_ack_frame", "_write_application",
    "_write_connection_limits", "_write_stream_frame", "_write_stream_limits",
}  # fmt: skip
LOSS = {"_pacer", "_pto_count", "_time_of_last_sent_ack_eliciting_packet"}
SENDER = {"_pending", "_pending_eof"}
OURS = {"_has_other_frames", "_is_steady", "_write_streams"}


def streams(quic: TunedConnection, count: int) -> list[int]:
    opened = []
    for _ in range(count):
        opened.append(quic.get_next_available_stream_id(is_unidirectional=True))
        quic.send_stream_data(opened[-1], b"\0")
    return opened


def settled_pair() -> tuple[TunedConnection, TunedConnection]:
    """With nothing to say, nor to acknowledge."""
    client, server = connected_pair()
    exchange(client, server, 1.5)
    exchange(server, client, 1.6)
    assert not client.datagrams_to_send(1.7) and not server.datagrams_to_send(1.7)
    return client, server


def received(quic: TunedConnection) -> dict[int, bytes]:
    pieces: dict[int, bytes] = defaultdict(bytes)
    while (event := quic.next_event()) is not None:
        if isinstance(event, StreamDataReceived):
            pieces[event.stream_id] += event.data
    return pieces


def test_every_private_attribute_that_is_touched_exists_and_no_other_is_touched() -> None:
    quic, _ = connected_pair()
    stream = quic._get_or_create_stream_for_send(2)
    for owner, names in ((quic, CONNECTION), (quic._loss, LOSS), (stream.sender, SENDER)):
        assert all(hasattr(owner, name) for name in names)
    touched = set(re.findall(r"(?:\.|def )(_[a-z][a-z_]*)", inspect.getsource(steady)))
    assert touched == CONNECTION | LOSS | SENDER | OURS


@pytest.mark.parametrize("name", ["_initialize", "_write_application", "get_timer"])
def test_what_is_overridden_has_the_signature_that_aioquic_calls(name: str) -> None:
    ours, theirs = (inspect.signature(getattr(cls, name)) for cls in (SteadyConnection, QuicConnection))
    assert list(ours.parameters) == list(theirs.parameters)


def test_a_question_and_its_answer_are_two_datagrams_however_many_there_are() -> None:
    client, server = settled_pair()
    (asking,), (answering,) = streams(client, 1), streams(server, 1)
    for step in range(1000):
        now = 2.0 + step * 0.0004
        client.send_stream_data(asking, b"question")
        assert len(pass_on(client, server, now)) == 1
        server.send_stream_data(answering, b"answer")
        assert len(pass_on(server, client, now + 0.0002)) == 1
    assert client.buffered(asking) == 0 and server.buffered(answering) == len(b"answer")


def test_an_ack_goes_alone_once_its_timer_is_due_and_is_not_acknowledged_itself() -> None:
    client, server = settled_pair()
    (stream,) = streams(client, 1)
    pass_on(client, server, 2.0)
    assert not server.datagrams_to_send(2.0009)
    due = server.get_timer()
    assert due is not None and due == pytest.approx(2.001)
    assert len(pass_on(server, client, due)) == 1
    assert client.buffered(stream) == 0
    assert client.main_space is not None and client.main_space.ack_at is None


def test_an_ack_is_not_held_back_by_what_must_wait_for_the_pacer() -> None:
    client, server = settled_pair()
    streams(client, 1)
    (stream,) = streams(server, 1)
    server.send_stream_data(stream, bytes(9000))
    sent = server.datagrams_to_send(1.9)
    assert sent and server.buffered(stream) > len(sent) * 1200 and server._pacing_at is not None
    pass_on(client, server, 1.9)
    assert not server.datagrams_to_send(1.9)
    assert pass_on(server, client, 1.9011)
    assert client.next_event() is not None
    assert server.main_space is not None and server.main_space.ack_at is None


def test_streams_that_want_more_than_a_packet_take_turns() -> None:
    client, server = settled_pair()
    one, other = streams(client, 2)
    for stream in (one, other):
        client.send_stream_data(stream, bytes(4000))
    order = []
    for data, _ in client.datagrams_to_send(2.0):
        server.receive_datagram(data, VIRTUAL_ADDRESS, 2.0)
        order.append(max(received(server).items(), key=lambda each: len(each[1]))[0])
    assert order[:3] == [one, other, one]
    for now in (2.1, 2.2, 2.3, 2.4):
        exchange(client, server, now)
    assert client.buffered(one) == client.buffered(other) == 0


def test_what_only_aioquic_writes_goes_out_too() -> None:
    client, server = settled_pair()
    (stream,) = streams(client, 1)
    client.send_ping(7)
    client.change_connection_id()
    for step in range(4):
        exchange(client, server, 2.0 + step / 100)
    assert received(server) == {stream: b"\0"}
    events = []
    while (event := client.next_event()) is not None:
        events.append(event)
    assert PingAcknowledged(uid=7) in events
    assert not client._retire_connection_ids


OPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.booleans(), st.integers(0, 3), st.integers(1, 5000)),
        st.tuples(st.just("flush"), st.booleans(), st.integers(0, 15), st.just(0)),
        st.tuples(st.just("wait"), st.just(False), st.integers(1, 400), st.just(0)),
        st.tuples(st.just("ping"), st.booleans(), st.just(0), st.just(0)),
        st.tuples(st.just("grant"), st.booleans(), st.integers(0, 3), st.integers(1, 5000)),
    ),
    max_size=60,
)


class Run:
    """Both ends, a clock, and a network that loses what it is told to."""

    def __init__(self) -> None:
        self.ends = settled_pair()
        self.now = 2.0
        self.lanes = tuple(streams(end, 4) for end in self.ends)
        self.written = tuple(dict.fromkeys(lanes, b"\0") for lanes in self.lanes)
        self.read: tuple[dict[int, bytes], ...] = (defaultdict(bytes), defaultdict(bytes))

    def write(self, who: int, lane: int, size: int) -> None:
        stream, data = self.lanes[who][lane], bytes([size % 251]) * size
        self.written[who][stream] += data
        self.ends[who].send_stream_data(stream, data)

    def flush(self, who: int, lost: int) -> None:
        """`lost` are bits: which of each four datagrams does not arrive."""
        sender, receiver = self.ends[who], self.ends[1 - who]
        for index, (data, _) in enumerate(sender.datagrams_to_send(self.now)):
            if not lost >> (index % 4) & 1:
                receiver.receive_datagram(data, VIRTUAL_ADDRESS, self.now)
        for stream, data in received(receiver).items():
            self.read[1 - who][stream] += data
        with patch.object(SteadyConnection, "_write_application", QuicConnection._write_application):
            assert not sender.datagrams_to_send(self.now), "aioquic would have written more"

    def check_timers(self) -> None:
        for end in self.ends:
            ours = end.get_timer(), end._loss_at
            assert ours == (QuicConnection.get_timer(end), end._loss_at)

    def finish(self) -> None:
        for who in (0, 1):
            self.flush(who, 0)
        for _ in range(2000):
            timers = [at for end in self.ends if (at := end.get_timer()) is not None]
            self.now = max(self.now, min(timers)) + 1e-6
            for who, end in enumerate(self.ends):
                if (end.get_timer() or 0.0) <= self.now:
                    end.handle_timer(self.now)
                self.flush(who, 0)
            if not any(end.waits for end in self.ends):
                return
        raise AssertionError("it never ends")


@settings(max_examples=60, deadline=None)
@given(OPS)
def test_it_leaves_nothing_for_aioquic_has_its_timers_and_all_arrives(ops: list[tuple[str, bool, int, int]]) -> None:
    run = Run()
    for op, who, number, size in ops:
        match op:
            case "write":
                run.write(who, number, size)
            case "flush":
                run.flush(who, number)
            case "wait":
                run.now += number / 10_000
            case "ping":
                run.ends[who].send_ping(0)
            case "grant":
                stream = run.lanes[1 - who][number]
                run.ends[who].grant(stream, len(run.read[who][stream]) + 200_000 + size, 1_000_000 + size)
        run.check_timers()
    run.finish()
    run.check_timers()
    assert run.read[1] == run.written[0] and run.read[0] == run.written[1]
