"""aioquic's connection, with fewer steps in its steady state: the handshake is confirmed and the path validated.

aioquic is ready for every frame in every packet and starts one packet more than it fills. In the steady state there is
hardly anything to write but STREAM frames, flow control limits and ACKs; that is done here, and all else by aioquic.
"""

from __future__ import annotations

from aioquic.quic.connection import QuicConnection, QuicConnectionState, QuicNetworkPath
from aioquic.quic.packet import QuicPacketType
from aioquic.quic.packet_builder import QuicPacketBuilder
from aioquic.quic.recovery import QuicPacketSpace
from aioquic.quic.stream import QuicStream
from aioquic.tls import Epoch

from macula.core.timers import earliest


class SteadyConnection(QuicConnection):
    """A QuicConnection that does the same in fewer steps, but for one thing: an ACK that waits for its timer goes with
    whatever is written before that (RFC 9000, section 13.2.1), and so rarely needs a datagram of its own."""

    main_space: QuicPacketSpace | None = None
    """Packets after the handshake."""

    def _initialize(self, peer_cid: bytes) -> None:
        super()._initialize(peer_cid)
        self.main_space = self._spaces[Epoch.ONE_RTT]

    def get_timer(self) -> float | None:
        """When to call handle_timer."""
        space, loss = self.main_space, self._loss
        if space is None or self._state is not QuicConnectionState.CONNECTED or not self._is_steady:
            return super().get_timer()
        # RFC 9002, section 6.2.1: there is no probe time-out while the time threshold is armed.
        self._loss_at = space.loss_time
        if self._loss_at is None and space.ack_eliciting_in_flight:
            timeout = loss.get_probe_timeout() * 2**loss._pto_count
            self._loss_at = loss._time_of_last_sent_ack_eliciting_packet + timeout
        return earliest(self._close_at, space.ack_at, self._loss_at, self._pacing_at)

    def _write_application(self, builder: QuicPacketBuilder, network_path: QuicNetworkPath, now: float) -> None:
        space = self.main_space
        if space is None or not self._is_steady or self._has_other_frames(network_path):
            super()._write_application(builder, network_path, now)
            return
        crypto = self._cryptos[Epoch.ONE_RTT]
        while True:
            due = space.ack_at is not None and space.ack_at <= now
            limited = [
                stream
                for stream in self._streams_queue
                if stream.max_stream_data_local_sent != stream.max_stream_data_local
            ]
            speaking = [
                stream for stream in self._streams_queue if not (stream.sender.buffer_is_empty or stream.is_blocked)
            ]
            if not (due or speaking or limited or self._local_max_data.sent != self._local_max_data.value):
                return
            if not due:
                self._pacing_at = self._loss._pacer.next_send_time(now=now)
                if self._pacing_at is not None:
                    return
            builder.start_packet(QuicPacketType.ONE_RTT, crypto)
            if space.ack_at is not None:
                self._write_ack_frame(builder=builder, space=space, now=now)
            self._write_connection_limits(builder=builder, space=space)
            for stream in limited:
                self._write_stream_limits(builder=builder, space=space, stream=stream)
            self._write_streams(builder, space, speaking)
            if builder.packet_is_empty:
                return
            self._loss._pacer.update_after_send(now=now)

    def _write_streams(self, builder: QuicPacketBuilder, space: QuicPacketSpace, speaking: list[QuicStream]) -> None:
        served = []
        try:
            for stream in speaking:
                sender = stream.sender
                room = self._remote_max_data - self._remote_max_data_used
                end = min(sender.highest_offset + room, stream.max_stream_data_remote)
                used = self._write_stream_frame(builder=builder, space=space, stream=stream, max_offset=end)
                if used:
                    self._remote_max_data_used += used
                    served.append(stream)
                # aioquic would find this out with the next packet, which it would start for that.
                sender.buffer_is_empty = not (sender._pending_eof or len(sender._pending))
        finally:
            # Whom the packet had no room for is first in the next one.
            if served:
                self._streams_queue = [stream for stream in self._streams_queue if stream not in served] + served

    @property
    def _is_steady(self) -> bool:
        return self._handshake_confirmed and self._network_paths[0].is_validated

    def _has_other_frames(self, path: QuicNetworkPath) -> bool:
        """Whether there may be something to write, or to tidy up, that only aioquic's own way knows of."""
        return bool(
            path.remote_challenges
            or self._ping_pending
            or self._probe_pending
            or self._handshake_done_pending
            or self._retire_connection_ids
            or self._streams_blocked_pending
            or self._datagrams_pending
            or not self._crypto_streams[Epoch.ONE_RTT].sender.buffer_is_empty
            or [cid for cid in self._host_cids if not cid.was_sent]
            or [
                stream
                for stream in self._streams_queue
                if stream.receiver.stop_pending
                or stream.sender.reset_pending
                or (stream.receiver.is_finished and stream.sender.is_finished)
            ]
        )
