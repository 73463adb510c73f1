"""Who may start a handshake: Initial packets from unknown clients, before any state is kept for them."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass

from aioquic.quic.packet import QuicHeader, QuicPacketType, encode_quic_retry, encode_quic_version_negotiation
from aioquic.quic.retry import QuicRetryTokenHandler

from macula.core.address import Address
from macula.core.network_limiter import PrefixLimiter
from macula.core.route import Relayed, Route
from macula.providers.quic.relay.limits import RelayedLimiter
from macula.providers.quic.settings import SMALLEST_DATAGRAM, QuicSettings
from macula.providers.quic.tuned import CID_LENGTH, VERSIONS

_MIN_CLIENT_CHOSEN_CID = 8


@dataclass(frozen=True, slots=True)
class Accept:
    """Start a handshake. `proven`: the client has shown, with a token, that it receives at its address."""

    original_destination_id: bytes
    retry_source_id: bytes | None
    proven: bool


@dataclass(frozen=True, slots=True)
class Reply:
    """Send this back and keep no state; it is smaller than what came."""

    data: bytes


class Admission:
    """Decides on datagrams that belong to no connection."""

    def __init__(self, settings: QuicSettings, rng: random.Random) -> None:
        self._settings = settings
        self._rng = rng
        self._tokens = QuicRetryTokenHandler()
        self._limiter = PrefixLimiter(settings.initial_rate, settings.initial_burst)
        self._relayed = RelayedLimiter(settings.initial_rate, settings.initial_burst)
        self.refused: Counter[str] = Counter()
        """Handshakes that were not started, by reason: `full` over max_half_open, `rate` of a network or relay,
        `retry` that have to prove their address first."""

    def judge(self, header: QuicHeader, size: int, source: Route, half_open: int, now: float) -> Accept | Reply | None:
        """What to do with a datagram of `size` bytes while `half_open` handshakes are under way; None drops it.

        For one that came through a relay, `half_open` are those through that relay.
        """
        if size < SMALLEST_DATAGRAM or not header.version or len(header.destination_cid) < _MIN_CLIENT_CHOSEN_CID:
            return None
        if isinstance(source, Relayed):
            return self._judge_relayed(header, source, half_open, now)
        if header.version not in VERSIONS:
            return self._negotiate(header) if self._limiter.take(source.host, now) else None
        if header.packet_type is not QuicPacketType.INITIAL:
            return None
        if half_open >= self._settings.max_half_open:
            self.refused["full"] += 1
            return None
        if header.token and (original := self._original_id(header, source, now)) is not None:
            return Accept(original, header.destination_cid, proven=True)
        if not self._limiter.take(source.host, now):
            self.refused["rate"] += 1
            return None
        if half_open >= self._settings.retry_threshold and not source.tunnelled:
            self.refused["retry"] += 1
            return self._retry(header, source, now)
        # Over TCP a client has shown already that it receives at its address.
        return Accept(header.destination_cid, None, proven=source.tunnelled)

    def completed(self, source: Route) -> None:
        """A handshake that was accepted has been completed by its client."""
        if isinstance(source, Relayed):
            self._relayed.give_back(source)
        else:
            self._limiter.give_back(source.host)

    def _judge_relayed(self, header: QuicHeader, source: Relayed, half_open: int, now: float) -> Accept | None:
        # A relay has shown that it is where it is, and that it wants what goes to its clients: a token proves no more.
        if header.version not in VERSIONS or header.packet_type is not QuicPacketType.INITIAL:
            return None
        if half_open >= self._settings.retry_threshold:
            self.refused["full"] += 1
            return None
        if not self._relayed.take(source, now):
            self.refused["rate"] += 1
            return None
        return Accept(header.destination_cid, None, proven=True)

    def _original_id(self, header: QuicHeader, source: Address, now: float) -> bytes | None:
        try:
            return self._tokens.validate_token(
                address=source, destination_cid=header.destination_cid, token=header.token, now=now
            )
        except ValueError:
            return None

    def _retry(self, header: QuicHeader, source: Address, now: float) -> Reply:
        retry_source_id = self._rng.randbytes(CID_LENGTH)
        token = self._tokens.create_token(
            address=source,
            original_destination_connection_id=header.destination_cid,
            retry_source_connection_id=retry_source_id,
            now=now,
        )
        return Reply(
            encode_quic_retry(
                version=header.version or 0,
                source_cid=retry_source_id,
                destination_cid=header.source_cid,
                original_destination_cid=header.destination_cid,
                retry_token=token,
            )
        )

    def _negotiate(self, header: QuicHeader) -> Reply:
        return Reply(
            encode_quic_version_negotiation(
                source_cid=header.destination_cid,
                destination_cid=header.source_cid,
                supported_versions=list(VERSIONS),
            )
        )
