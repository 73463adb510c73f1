from __future__ import annotations

from aioquic.quic.packet import QuicPacketType
from aioquic.quic.packet_builder import QuicSentPacket
from aioquic.tls import Epoch

from macula.providers.quic.congestion import WatchfulReno


def packet(size: int, sent_at: float = 1.0) -> QuicSentPacket:
    return QuicSentPacket(
        epoch=Epoch.ONE_RTT,
        in_flight=True,
        is_ack_eliciting=True,
        is_crypto_packet=False,
        packet_number=0,
        packet_type=QuicPacketType.ONE_RTT,
        sent_time=sent_at,
        sent_bytes=size,
    )


def test_every_probe_timeout_of_a_large_packet_counts() -> None:
    reno = WatchfulReno(max_datagram_size=1400)
    for count in (1, 2, 3):
        reno.on_packets_expired(packets=iter([packet(1400)]))
        assert reno.large_losses == count


def test_losses_of_one_round_trip_count_once() -> None:
    reno = WatchfulReno(max_datagram_size=1400)
    reno.on_packets_lost(now=2.0, packets=[packet(1400), packet(300)])
    reno.on_packets_lost(now=2.1, packets=[packet(1400, 1.9)])
    assert reno.large_losses == 1
    reno.on_packets_lost(now=3.0, packets=[packet(1400, 2.5)])
    assert reno.large_losses == 2


def test_small_packets_do_not_count() -> None:
    reno = WatchfulReno(max_datagram_size=1400)
    reno.on_packets_expired(packets=[packet(1200)])
    reno.on_packets_lost(now=2.0, packets=[packet(1200)])
    assert reno.large_losses == 0


def test_only_a_packet_as_large_as_the_lost_ones_ends_the_count() -> None:
    reno = WatchfulReno(max_datagram_size=1400)
    reno.on_packets_expired(packets=[packet(1400), packet(1250)])
    for size in (1200, 1399):
        reno.on_packet_acked(now=2.0, packet=packet(size))
    assert reno.large_losses == 1
    reno.on_packet_acked(now=2.0, packet=packet(1400))
    assert reno.large_losses == 0
    reno.on_packets_expired(packets=[packet(1250)])
    reno.on_packet_acked(now=2.0, packet=packet(1250))
    assert reno.large_losses == 0


def test_the_window_behaves_as_it_did() -> None:
    reno = WatchfulReno(max_datagram_size=1200)
    sent = [packet(1200) for _ in range(4)]
    for one in sent:
        reno.on_packet_sent(packet=one)
    reno.on_packet_acked(now=2.0, packet=sent[0])
    assert (reno.bytes_in_flight, reno.congestion_window) == (3600, 13200)
    reno.on_packets_expired(packets=[sent[1]])
    assert (reno.bytes_in_flight, reno.congestion_window) == (2400, 13200)
    reno.on_packets_lost(now=2.0, packets=[sent[2]])
    assert (reno.bytes_in_flight, reno.congestion_window) == (1200, 6600)
