from __future__ import annotations

import inspect
import random
import re

import pytest
from aioquic.quic.connection import QuicConnection
from aioquic.tls import Epoch

from macula.identity import Identity
from macula.providers.quic import tuned
from macula.providers.quic.certificate import make_certificate
from macula.providers.quic.mtu import Probe
from macula.providers.quic.settings import SMALLEST_DATAGRAM, QuicSettings
from macula.providers.quic.tuned import VIRTUAL_ADDRESS, TunedConnection, make_configuration

from .pair import connected_pair, exchange

CONNECTION = {
    "_close_event", "_configuration", "_crypto_buffers", "_cryptos", "_discard_epoch", "_events", "_flush_builder",
    "_initialize", "_is_client", "_local_active_connection_id_limit", "_local_max_data", "_local_max_streams_bidi",
    "_local_max_streams_uni", "_loss", "_max_datagram_size", "_network_paths", "_on_connection_limit_delivery",
    "_on_max_stream_data_delivery", "_packet_number", "_payload_received", "_peer_cid", "_quic_logger",
    "_remote_max_streams_uni", "_spaces", "_state", "_streams", "_write_connection_limits", "_write_stream_limits",
}  # fmt: skip
LOSS = {"_cc", "_pacer", "_pto_count", "_rtt_initial", "_rtt_initialized", "_rtt_latest", "_rtt_min", "_rtt_smoothed"}
SPACE = {"ack_eliciting_in_flight", "largest_acked_packet", "largest_received_packet", "sent_packets"}
TLS = {
    "_peer_certificate", "_peer_certificate_chain", "_receive_buffer", "_request_client_certificate",
    "_signature_algorithms", "_supported_groups",
}  # fmt: skip
SENDER = {"_buffer_start", "_buffer_stop"}
RECEIVER = {"_buffer"}


def connection() -> TunedConnection:
    identity = Identity.from_random(random.Random(1))
    configuration = make_configuration(identity, make_certificate(identity, 1), QuicSettings(), is_client=True)
    quic = TunedConnection(configuration)
    quic.connect(VIRTUAL_ADDRESS, 1.0)
    return quic


@pytest.mark.parametrize(
    ("owner", "names"),
    [
        (lambda quic: quic, CONNECTION),
        (lambda quic: quic._loss, LOSS | {"spaces", "congestion_window", "get_probe_timeout"}),
        (lambda quic: quic._loss.spaces[0], SPACE),
        (lambda quic: quic._loss._pacer, {"_max_datagram_size"}),
        (lambda quic: quic.congestion, {"_max_datagram_size", "bytes_in_flight"}),
        (lambda quic: quic.tls, TLS),
        (lambda quic: quic._get_or_create_stream_for_send(2).sender, SENDER),
        (lambda quic: quic._get_or_create_stream_for_send(2).receiver, RECEIVER),
        (lambda quic: quic._get_or_create_stream_for_send(2), {"max_stream_data_local", "max_stream_data_local_sent"}),
        (lambda quic: quic._local_max_data, {"value", "sent", "frame_type"}),
    ],
)
def test_every_private_attribute_that_we_touch_exists(owner: object, names: set[str]) -> None:
    quic = connection()
    assert all(hasattr(owner(quic), name) for name in names)  # type: ignore[operator]


def test_no_other_private_attribute_is_touched() -> None:
    touched = set(re.findall(r"(?:\.|def )(_[a-z][a-z_]*)", inspect.getsource(tuned)))
    assert touched == CONNECTION | LOSS | TLS | SENDER | RECEIVER


def test_what_we_override_has_the_signature_that_aioquic_calls() -> None:
    for name in (
        "_discard_epoch",
        "_initialize",
        "_payload_received",
        "_write_connection_limits",
        "_write_stream_limits",
    ):
        ours, theirs = (inspect.signature(getattr(cls, name)) for cls in (TunedConnection, QuicConnection))
        assert list(ours.parameters) == list(theirs.parameters)


def test_no_memory_is_kept_for_what_tls_has_said() -> None:
    assert [list(quic._crypto_buffers) for quic in connected_pair()] == [[Epoch.ONE_RTT]] * 2


def test_packets_in_flight_do_not_count_after_a_path_reset() -> None:
    quic = connection()
    assert quic.datagrams_to_send(1.0)
    assert quic._loss.bytes_in_flight > 0
    before = quic.congestion_window
    quic.reset_path()
    assert quic._loss.bytes_in_flight == 0 and quic.congestion_window == before == 12000
    assert not any(packet.in_flight for space in quic._loss.spaces for packet in space.sent_packets.values())


@pytest.mark.parametrize("size", [1201, 1280, 1408, 8900, 65527])
def test_a_probe_has_its_size_needs_no_window_and_is_acknowledged(size: int) -> None:
    for sender, receiver in (connected_pair(), reversed(connected_pair())):
        flying = sender.congestion.bytes_in_flight
        data = sender.probe(Probe(7, size), 2.0)
        assert len(data) == size and sender.datagram_size == SMALLEST_DATAGRAM
        assert sender.congestion.bytes_in_flight == flying
        receiver.receive_datagram(data, VIRTUAL_ADDRESS, 2.0)
        exchange(receiver, sender, 2.1)
        assert sender.outcomes == [(7, True)]
        assert sender.congestion.bytes_in_flight == flying


def test_a_lost_probe_is_reported_and_sent_by_nobody_else() -> None:
    sender, receiver = connected_pair()
    exchange(sender, receiver, 1.9)
    window = sender.congestion_window
    sender.probe(Probe(7, 1408), 2.0)
    now = 2.0
    while not sender.outcomes:
        now = sender.get_timer() or now
        sender.handle_timer(now + 1e-6)
    assert sender.outcomes == [(7, False)] and now < 3.0
    assert all(len(data) < SMALLEST_DATAGRAM for data, _ in sender.datagrams_to_send(now))
    assert sender.congestion_window == window and not sender.congestion.large_losses


def test_datagrams_and_congestion_control_follow_the_size() -> None:
    sender, _ = connected_pair()
    window = sender.congestion_window
    for now, size in ((3.0, 1408), (4.0, SMALLEST_DATAGRAM)):
        sender.congestion.large_losses = 2
        sender.resize(size)
        assert sender.datagram_size == size
        assert sender.congestion._max_datagram_size == sender._loss._pacer._max_datagram_size == size
        assert sender.congestion_window == window and not sender.congestion.large_losses
        stream = sender.get_next_available_stream_id(is_unidirectional=True)
        sender.send_stream_data(stream, bytes(4000))
        assert max(len(data) for data, _ in sender.datagrams_to_send(now)) == size
    sender.resize(1408)
    sender.reset_path()
    assert sender.congestion_window == 10 * 1408 and sender.congestion._max_datagram_size == 1408
