"""Which connection a datagram belongs to: by connection id, never by address (RFC 9000, section 5.2)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from aioquic.buffer import Buffer  # type: ignore[attr-defined]
from aioquic.quic.packet import QuicHeader, pull_quic_header

from macula.core.route import Route
from macula.providers.quic.connection import Connection
from macula.providers.quic.tuned import CID_LENGTH

MAX_GRAVES = 16384

_LONG_HEADER = 0x80
_FIXED_BIT = 0x40
_STUN_LAST = 0x03
_PROBE = 0x20
_RELAYED = 0x20


def is_quic(data: bytes) -> bool:
    """Whether the first byte is that of a QUIC packet (RFC 9443)."""
    return bool(data) and bool(data[0] & (_LONG_HEADER | _FIXED_BIT))


def is_ours(data: bytes) -> bool:
    """Whether the first byte is that of STUN or of a probe of ours: of what the engine handles itself (RFC 9443)."""
    return bool(data) and (data[0] <= _STUN_LAST or (data[0] & 0xF0 == _PROBE and data[0] != _RELAYED))


def is_relayed(data: bytes) -> bool:
    """Whether the first byte is that of a relay's frame."""
    return bool(data) and data[0] == _RELAYED


def destination_id(data: bytes) -> bytes | None:
    """The connection id that a datagram is for, or None if it is too short."""
    if not data[0] & _LONG_HEADER:
        cid = data[1 : 1 + CID_LENGTH]
        return cid if len(cid) == CID_LENGTH else None
    if len(data) < 6 or len(data) < 6 + data[5]:
        return None
    return data[6 : 6 + data[5]]


def parse_header(data: bytes) -> QuicHeader | None:
    """The first packet's header, or None if it is malformed."""
    try:
        return pull_quic_header(Buffer(data=data), host_cid_length=CID_LENGTH)
    except ValueError:
        return None


@dataclass(slots=True)
class Grave:
    """What is left of a closed connection: its last words, repeated less and less often to a peer that missed them."""

    farewell: tuple[tuple[bytes, Route], ...]
    hits: int = 0

    def visit(self) -> tuple[tuple[bytes, Route], ...]:
        """A packet for the connection came; what to answer (RFC 9000, section 10.2.1)."""
        self.hits += 1
        return self.farewell if self.hits & (self.hits - 1) == 0 else ()


class ConnectionIds:
    """The table of connection ids, of live connections and of those closed within the linger time."""

    def __init__(self, linger_time: float) -> None:
        self._linger_time = linger_time
        self._table: dict[bytes, Connection | Grave] = {}
        self._registered: dict[int, dict[bytes, None]] = {}
        self._expiring: deque[tuple[float, tuple[bytes, ...]]] = deque()

    def __len__(self) -> int:
        return len(self._table)

    def get(self, cid: bytes) -> Connection | Grave | None:
        """Whose connection id this is."""
        return self._table.get(cid)

    def update(self, connection: Connection) -> None:
        """Take over the ids that the connection has now. Cheap if nothing changed."""
        old = self._registered.get(connection.number)
        if old == connection.cids:
            return
        for cid in old or ():
            if cid not in connection.cids:
                self._table.pop(cid, None)
        for cid in connection.cids:
            self._table[cid] = connection
        self._registered[connection.number] = dict(connection.cids)

    def forget(self, connection: Connection) -> None:
        """Remove a connection without a trace."""
        for cid in self._registered.pop(connection.number, ()):
            self._table.pop(cid, None)

    def bury(self, connection: Connection, now: float) -> None:
        """Keep the ids of a closed connection for the linger time."""
        cids = tuple(self._registered.pop(connection.number, ()))
        grave = Grave(connection.farewell)
        for cid in cids:
            self._table[cid] = grave
        self._expiring.append((now + self._linger_time, cids))
        if len(self._expiring) > MAX_GRAVES:
            self._remove_oldest()

    def next_expiry(self) -> float | None:
        """When to call expire next."""
        return self._expiring[0][0] if self._expiring else None

    def expire(self, now: float) -> None:
        """Forget what has lingered long enough."""
        while self._expiring and self._expiring[0][0] <= now:
            self._remove_oldest()

    def _remove_oldest(self) -> None:
        for cid in self._expiring.popleft()[1]:
            self._table.pop(cid, None)
