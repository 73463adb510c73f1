"""Who may start a handshake: Initial packets from unknown clients, before any state is kept for them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from ipaddress import ip_address

from aioquic.quic.packet import QuicHeader, QuicPacketType, encode_quic_retry, encode_quic_version_negotiation
from aioquic.quic.retry import QuicRetryTokenHandler
from cachetools import LRUCache

from macula.core.address import Address
from macula.core.token_bucket import TokenBucket
from macula.providers.quic.settings import SMALLEST_DATAGRAM, QuicSettings
from macula.providers.quic.tuned import CID_LENGTH, VERSIONS

MAX_PREFIXES = 4096

_MIN_CLIENT_CHOSEN_CID = 8


def prefix_of(host: str) -> bytes:
    """The network that a flood is held against: /24 of IPv4, /56 of IPv6."""
    packed = ip_address(host).packed
    return packed[:3] if len(packed) == 4 else packed[:7]


class PrefixLimiter:
    """A token bucket per network. Least recently used ones are forgotten above MAX_PREFIXES."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._buckets: LRUCache[bytes, TokenBucket] = LRUCache(MAX_PREFIXES)

    def take(self, host: str, now: float) -> bool:
        """Whether one more handshake may start."""
        prefix = prefix_of(host)
        bucket = self._buckets.get(prefix)
        if bucket is None:
            bucket = self._buckets[prefix] = TokenBucket(self._rate, self._burst, now)
        return bucket.take(1, now)

    def give_back(self, host: str) -> None:
        """A handshake was completed: it is not held against its network."""
        bucket = self._buckets.get(prefix_of(host))
        if bucket is not None:
            bucket.give_back(1)


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

    def judge(
        self, header: QuicHeader, size: int, source: Address, half_open: int, now: float
    ) -> Accept | Reply | None:
        """What to do with a datagram of `size` bytes while `half_open` handshakes are under way; None drops it."""
        if size < SMALLEST_DATAGRAM or not header.version or len(header.destination_cid) < _MIN_CLIENT_CHOSEN_CID:
            return None
        if header.version not in VERSIONS:
            return self._negotiate(header) if self._limiter.take(source.host, now) else None
        if header.packet_type is not QuicPacketType.INITIAL or half_open >= self._settings.max_half_open:
            return None
        if header.token and (original := self._original_id(header, source, now)) is not None:
            return Accept(original, header.destination_cid, proven=True)
        if not self._limiter.take(source.host, now):
            return None
        if half_open >= self._settings.retry_threshold:
            return self._retry(header, source, now)
        return Accept(header.destination_cid, None, proven=False)

    def completed(self, source: Address) -> None:
        """A handshake that was accepted has been completed by its client."""
        self._limiter.give_back(source.host)

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
