"""aioquic's NewReno, which also counts what a black hole for large datagrams looks like (RFC 8899, section 4.3)."""

from __future__ import annotations

from collections.abc import Iterable

from aioquic.quic.congestion.base import register_congestion_control
from aioquic.quic.congestion.reno import RenoCongestionControl
from aioquic.quic.packet_builder import QuicSentPacket

from macula.providers.quic.settings import SMALLEST_DATAGRAM

ALGORITHM = "macula-reno"
"""The name in aioquic's configuration."""


class WatchfulReno(RenoCongestionControl):
    """NewReno (RFC 9002, section 7). Sizes are those of packets, in bytes."""

    def __init__(self, *, max_datagram_size: int) -> None:
        super().__init__(max_datagram_size=max_datagram_size)
        self.large_losses = 0
        """Rounds in a row, a probe time-out or a round trip each, in which packets above 1200 bytes were lost and none
        as large as the largest of them arrived."""
        self._largest = 0
        self._noticed_at = 0.0

    def on_packet_acked(self, *, now: float, packet: QuicSentPacket) -> None:
        """A packet has arrived."""
        if self.large_losses and packet.sent_bytes >= self._largest:
            self.large_losses = 0
        super().on_packet_acked(now=now, packet=packet)

    def on_packets_lost(self, *, now: float, packets: Iterable[QuicSentPacket]) -> None:
        """Later packets have arrived, these have not."""
        lost = tuple(packets)
        # What was sent before the last loss was noticed is of the same round.
        if self._note(packet for packet in lost if (packet.sent_time or 0.0) > self._noticed_at):
            self._noticed_at = now
        super().on_packets_lost(now=now, packets=lost)

    def on_packets_expired(self, *, packets: Iterable[QuicSentPacket]) -> None:
        """A probe time-out: these are sent again."""
        expired = tuple(packets)
        self._note(expired)
        super().on_packets_expired(packets=expired)

    def _note(self, lost: Iterable[QuicSentPacket]) -> bool:
        largest = max((packet.sent_bytes for packet in lost), default=0)
        if largest <= SMALLEST_DATAGRAM:
            return False
        self._largest = max(largest, self._largest if self.large_losses else 0)
        self.large_losses += 1
        return True


register_congestion_control(ALGORITHM, WatchfulReno)
