"""aioquic's connection with what a mesh needs of it. Here and in `steady` are all private parts of it that we touch.

What differs: both sides show an Ed25519 certificate, windows follow what was consumed instead of doubling, streams are
limited to the lanes, congestion state can be reset when the path below changes, and datagrams can grow with what is
proven to arrive on it. aioquic takes connection ids, keys and nonces from the operating system's randomness, so bytes
on the wire differ from run to run whatever the seed.
"""

from __future__ import annotations

import functools
import logging
import ssl
from collections import deque
from collections.abc import Sequence
from typing import TextIO, cast

from aioquic.quic import connection as aioquic_connection
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.congestion.base import create_congestion_control
from aioquic.quic.connection import (
    CONNECTION_LIMIT_FRAME_CAPACITY,
    MAX_STREAM_DATA_FRAME_CAPACITY,
    QuicConnectionError,
    QuicConnectionState,
    QuicReceiveContext,
)
from aioquic.quic.events import ConnectionTerminated, QuicEvent
from aioquic.quic.packet import QuicErrorCode, QuicFrameType, QuicPacketType, QuicProtocolVersion
from aioquic.quic.packet_builder import QuicDeliveryState, QuicPacketBuilder
from aioquic.quic.recovery import QuicPacketPacer, QuicPacketSpace
from aioquic.quic.stream import QuicStream
from aioquic.tls import Epoch, Group, SignatureAlgorithm
from cryptography import x509

from macula.core.lanes import Lane
from macula.identity import Identity
from macula.providers.quic.congestion import ALGORITHM, WatchfulReno
from macula.providers.quic.diagnosis import NO_DIAGNOSIS, Diagnosis, QlogTrace
from macula.providers.quic.joining import join
from macula.providers.quic.mtu import Probe
from macula.providers.quic.settings import SMALLEST_DATAGRAM, QuicSettings
from macula.providers.quic.steady import SteadyConnection

# What goes wrong is reported as events; aioquic's warnings would let any peer write to our log.
logging.getLogger("quic").setLevel(logging.CRITICAL)

# Each connection has a table of what frames may come when: aioquic would make the same 33 sets for each of them.
aioquic_connection.EPOCHS = functools.cache(aioquic_connection.EPOCHS)

# aioquic looks up keys and packet numbers by epoch, a dozen times for each packet; an Enum is hashed by Python code.
Epoch.__hash__ = object.__hash__  # type: ignore[method-assign]

CID_LENGTH = 8
VERSIONS = (int(QuicProtocolVersion.VERSION_1),)
CONNECTION_IDS = 2
"""Ids of the peer's that we know, the fewest there may be: paths are changed beneath a connection, not by its ids."""
MAX_TLS_MESSAGE = 1 << 16
"""Bytes of one message of the handshake: room for many certificates."""
VIRTUAL_ADDRESS = ("peer", 1)
"""The only peer address that aioquic sees. Which real path carries the packets is chosen below it; aioquic's client
would drop datagrams from any other server address than the one it dialed."""


def make_configuration(
    identity: Identity,
    certificate: x509.Certificate,
    settings: QuicSettings,
    *,
    is_client: bool,
    diagnosis: Diagnosis = NO_DIAGNOSIS,
) -> QuicConfiguration:
    """The configuration of all connections of one role. Certificates are checked by us, after the handshake."""
    configuration = QuicConfiguration(
        is_client=is_client,
        alpn_protocols=[settings.alpn],
        congestion_control_algorithm=ALGORITHM,
        connection_id_length=CID_LENGTH,
        idle_timeout=settings.idle_timeout,
        initial_rtt=settings.initial_rtt,
        max_data=settings.lane_window * len(Lane),
        max_datagram_size=SMALLEST_DATAGRAM,
        max_stream_data=settings.lane_window,
        quic_logger=diagnosis.qlog,
        secrets_log_file=cast("TextIO | None", diagnosis.key_log),
        supported_versions=list(VERSIONS),
        verify_mode=ssl.CERT_NONE,
    )
    configuration.certificate = certificate
    configuration.private_key = identity.private_key
    return configuration


class TunedConnection(SteadyConnection):
    """A QuicConnection of the mesh. Use its public methods as in aioquic, with VIRTUAL_ADDRESS as the address."""

    def __init__(
        self,
        configuration: QuicConfiguration,
        original_destination_connection_id: bytes | None = None,
        retry_source_connection_id: bytes | None = None,
    ) -> None:
        super().__init__(
            configuration=configuration,
            original_destination_connection_id=original_destination_connection_id,
            retry_source_connection_id=retry_source_connection_id,
        )
        for limit, streams in ((self._local_max_streams_bidi, 0), (self._local_max_streams_uni, len(Lane))):
            limit.value = limit.sent = streams
        self._local_active_connection_id_limit = CONNECTION_IDS
        self.proofs = 0
        """Packets received that only the peer can have made: those after the Initial ones, whose keys are public."""
        self.outcomes: list[tuple[int, bool]] = []
        """Numbers of the probes that ended, and whether they arrived."""

    def _discard_epoch(self, epoch: Epoch) -> None:
        super()._discard_epoch(epoch)
        # TLS has nothing more to say there: 16 KiB for each would be kept for it.
        self._crypto_buffers.pop(epoch, None)

    @property
    def peer_certificates(self) -> list[x509.Certificate]:
        """What the peer showed; TLS has verified that it holds the key of the first once the handshake is complete."""
        first = self.tls._peer_certificate
        return [] if first is None else [first, *self.tls._peer_certificate_chain]

    @property
    def started(self) -> bool:
        """Whether any packet of the peer could be decrypted."""
        return self._state is not QuicConnectionState.FIRSTFLIGHT

    @property
    def end(self) -> ConnectionTerminated | None:
        """Why the connection is over; known before aioquic's event, which comes after the closing period."""
        return self._close_event

    @property
    def expired(self) -> bool:
        """Whether the connection ended without a word: by the idle timeout."""
        return self._state is QuicConnectionState.TERMINATED

    @property
    def newest_packet(self) -> int:
        """The highest number of a packet that came after the handshake, or -1."""
        return self.main_space.largest_received_packet if self.main_space else -1

    @property
    def newest_acknowledged(self) -> int:
        """The highest number of a packet sent after the handshake that was acknowledged, or -1."""
        return self.main_space.largest_acked_packet if self.main_space else -1

    @property
    def waits(self) -> bool:
        """Whether a packet sent after the handshake is to be acknowledged."""
        return self.main_space is not None and self.main_space.ack_eliciting_in_flight > 0

    @property
    def probe_timeout(self) -> float:
        """The probe time-out without back-off, in seconds (RFC 9002, section 6.2.1)."""
        return self._loss.get_probe_timeout()

    @property
    def rtt(self) -> float:
        """Smoothed round-trip time in seconds; the configured initial one before the first measurement."""
        loss = self._loss
        return loss._rtt_smoothed if loss._rtt_initialized else loss._rtt_initial

    @property
    def newest_rtt(self) -> float:
        """The last round-trip time that was measured, in seconds."""
        return self._loss._rtt_latest

    @property
    def congestion_window(self) -> int:
        """Bytes that may be in flight."""
        return self._loss.congestion_window

    @property
    def datagram_size(self) -> int:
        """The largest datagram that is built, probes apart, in bytes."""
        return self._max_datagram_size

    @property
    def congestion(self) -> WatchfulReno:
        """The congestion control of the path."""
        congestion = self._loss._cc
        assert isinstance(congestion, WatchfulReno), "make_configuration was not used"
        return congestion

    @property
    def streams_allowed(self) -> int:
        """How many unidirectional streams the peer takes; known once the handshake is complete."""
        return self._remote_max_streams_uni

    def take_events(self) -> Sequence[QuicEvent]:
        """What has happened since the last call; what follows on each other of one stream is one piece."""
        if not self._events:
            return ()
        events, self._events = self._events, deque()
        return events if len(events) == 1 else join(tuple(events))

    def buffered(self, stream_id: int) -> int:
        """Bytes written to a stream that the peer has not acknowledged."""
        stream = self._streams.get(stream_id)
        return 0 if stream is None else stream.sender._buffer_stop - stream.sender._buffer_start

    @property
    def incomplete(self) -> dict[int, int]:
        """Bytes kept of each stream of the peer, by its id, since something before them is missing."""
        theirs = ((number, stream) for number, stream in self._streams.items() if bool(number & 1) is self._is_client)
        return {number: len(stream.receiver._buffer) for number, stream in theirs}

    def grant(self, stream_id: int, stream_limit: int, connection_limit: int) -> None:
        """Let the peer send up to these offsets; announced with the next packet. Limits never shrink."""
        stream = self._streams.get(stream_id)
        if stream is not None:
            stream.max_stream_data_local = max(stream.max_stream_data_local, stream_limit)
        self._local_max_data.value = max(self._local_max_data.value, connection_limit)

    def reset_path(self) -> None:
        """Forget the congestion window and round-trip time of the path so far, as RFC 9000, section 9.4 asks.

        Packets in flight no longer count towards congestion; the ping makes the new path's first measurement.
        """
        loss = self._loss
        for space in loss.spaces:
            for packet in space.sent_packets.values():
                packet.in_flight = False
        size = self._max_datagram_size
        loss._cc = create_congestion_control(self._configuration.congestion_control_algorithm, max_datagram_size=size)
        loss._pacer = QuicPacketPacer(max_datagram_size=size)
        loss._pto_count = 0
        loss._rtt_initialized = False
        loss._rtt_min = float("inf")
        self.send_ping(0)

    def resize(self, size: int) -> None:
        """Build datagrams of up to `size` bytes from now on. The congestion window stays; it is counted in bytes."""
        if size != self._max_datagram_size:
            self._max_datagram_size = self._loss._pacer._max_datagram_size = size
            self.congestion._max_datagram_size = size
            self.congestion.large_losses = 0

    def probe(self, probe: Probe, now: float) -> bytes:
        """A datagram of exactly the size of `probe` that carries a PING and PADDING (RFC 9000, section 14.4).

        It needs no room in the congestion window, and its loss is no sign of congestion (RFC 9002, section 3).
        """
        builder = QuicPacketBuilder(
            host_cid=self.host_cid,
            peer_cid=self._peer_cid.cid,
            version=VERSIONS[0],
            is_client=self._is_client,
            max_datagram_size=probe.size,
            packet_number=self._packet_number,
        )
        builder.start_packet(QuicPacketType.ONE_RTT, self._cryptos[Epoch.ONE_RTT])
        buffer = builder.start_frame(QuicFrameType.PING, handler=self.probe_ended, handler_args=(probe.number,))
        buffer.push_bytes(bytes(builder.remaining_buffer_space))
        ((data, _),) = self._flush_builder(builder, self._network_paths[0], self._peer_cid.cid, now)
        packet = self._spaces[Epoch.ONE_RTT].sent_packets[builder.packet_number - 1]
        self.congestion.bytes_in_flight -= packet.sent_bytes
        packet.in_flight = False
        return data

    def probe_ended(self, delivery: QuicDeliveryState, number: int) -> None:
        """aioquic knows what became of a probe."""
        self.outcomes.append((number, delivery is QuicDeliveryState.ACKED))

    def _initialize(self, peer_cid: bytes) -> None:
        super()._initialize(peer_cid)
        self.tls._signature_algorithms = [SignatureAlgorithm.ED25519]
        # aioquic's client would make a key for each group that it knows; P-384 and X448 cost a third of a handshake.
        self.tls._supported_groups = [Group.X25519]
        if not self._is_client:
            self.tls._request_client_certificate = True

    def _payload_received(
        self, context: QuicReceiveContext, plain: bytes, crypto_frame_required: bool = False
    ) -> tuple[bool, bool]:
        if context.epoch is not Epoch.INITIAL:
            self.proofs += 1
        try:
            received = super()._payload_received(context, plain, crypto_frame_required=crypto_frame_required)
        finally:
            if isinstance(self._quic_logger, QlogTrace):
                self._quic_logger.complete()
        # aioquic would gather 16 MiB for anybody who announces them, and copies what it has at every packet.
        if len(self.tls._receive_buffer) > MAX_TLS_MESSAGE:
            reason = f"a TLS message of more than {MAX_TLS_MESSAGE} bytes"
            raise QuicConnectionError(QuicErrorCode.CRYPTO_BUFFER_EXCEEDED, QuicFrameType.CRYPTO, reason)
        return received

    def _write_connection_limits(self, builder: QuicPacketBuilder, space: QuicPacketSpace) -> None:
        limit = self._local_max_data
        if limit.sent != limit.value:
            buffer = builder.start_frame(
                limit.frame_type,
                capacity=CONNECTION_LIMIT_FRAME_CAPACITY,
                handler=self._on_connection_limit_delivery,
                handler_args=(limit,),
            )
            buffer.push_uint_var(limit.value)
            limit.sent = limit.value

    def _write_stream_limits(self, builder: QuicPacketBuilder, space: QuicPacketSpace, stream: QuicStream) -> None:
        if stream.max_stream_data_local_sent != stream.max_stream_data_local and not stream.receiver.is_finished:
            buffer = builder.start_frame(
                QuicFrameType.MAX_STREAM_DATA,
                capacity=MAX_STREAM_DATA_FRAME_CAPACITY,
                handler=self._on_max_stream_data_delivery,
                handler_args=(stream,),
            )
            buffer.push_uint_var(stream.stream_id or 0)
            buffer.push_uint_var(stream.max_stream_data_local)
            stream.max_stream_data_local_sent = stream.max_stream_data_local
