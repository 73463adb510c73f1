"""Frames between a client and its relay: whole QUIC datagrams behind a header that proves who sent them.

    0x20 | session 8 | counter 6 | tag 16 | peer 32 | datagram

The tag is BLAKE2b-128 (RFC 7693), keyed for one session and one direction, over everything else. A counter is used once
in each direction, so that a frame counts once. Numbers are big-endian. With RELAY_ITSELF as its peer a frame carries a
challenge of the relay, and what the client sends back is the same.
"""

from __future__ import annotations

import hmac
from hashlib import blake2b
from typing import NamedTuple

from macula.identity import NodeId

MARK = 0x20
OVERHEAD = 63
"""Bytes before the datagram."""
SESSION_SIZE = 8
KEY_SIZE = 32
RELAY_ITSELF = NodeId(bytes(32))
"""Instead of a peer; no key has this id."""

_COUNTER_SIZE = 6
_TAG_SIZE = 16
_COUNTER_AT = 1 + SESSION_SIZE
_TAG_AT = _COUNTER_AT + _COUNTER_SIZE
_PEER_AT = _TAG_AT + _TAG_SIZE
_TO_RELAY = b"macula to relay"
_TO_CLIENT = b"macula to client"


class Opened(NamedTuple):
    """What a frame that verified says. `peer` is who shall get the datagram, or, from a relay, who sent it; `newest`
    whether no later frame came before."""

    peer: NodeId
    datagram: bytes
    newest: bool


class ReplayWindow:
    """Which counters were seen: each passes once, in any order within the newest 256."""

    SIZE = 256

    def __init__(self) -> None:
        self._newest = -1
        self._seen = 0

    def fresh(self, counter: int) -> bool:
        """Whether this counter may still pass."""
        age = self._newest - counter
        return age < 0 or (age < self.SIZE and not self._seen >> age & 1)

    def add(self, counter: int) -> bool:
        """A fresh counter passes. Whether it is the newest of all."""
        ahead = counter - self._newest
        if ahead <= 0:
            self._seen |= 1 << -ahead
            return False
        # A counter may jump by 2**48: shifting by that would need as many bits.
        self._seen = self._seen << ahead & (1 << self.SIZE) - 1 | 1 if ahead < self.SIZE else 1
        self._newest = counter
        return True


class Sealer:
    """Makes the frames of one direction of a session."""

    def __init__(self, session: bytes, key: bytes, *, to_relay: bool) -> None:
        self._prefix = bytes([MARK]) + session
        self._hash = blake2b(key=_direction_key(key, to_relay=to_relay), digest_size=_TAG_SIZE)
        self._counter = 0

    def seal(self, peer: NodeId, datagram: bytes) -> bytes:
        """The next frame."""
        head = self._prefix + self._counter.to_bytes(_COUNTER_SIZE, "big")
        self._counter += 1
        digest = self._hash.copy()
        digest.update(head)
        digest.update(peer)
        digest.update(datagram)
        return b"".join((head, digest.digest(), peer, datagram))


class Opener:
    """Verifies the frames of one direction of a session."""

    def __init__(self, key: bytes, *, to_relay: bool) -> None:
        self._hash = blake2b(key=_direction_key(key, to_relay=to_relay), digest_size=_TAG_SIZE)
        self._window = ReplayWindow()

    def open(self, frame: bytes) -> Opened | None:
        """What a frame of this session says, or None if it is forged, of the other direction or repeated."""
        counter = int.from_bytes(frame[_COUNTER_AT:_TAG_AT], "big")
        if not self._window.fresh(counter):
            return None
        digest = self._hash.copy()
        digest.update(frame[:_TAG_AT])
        digest.update(memoryview(frame)[_PEER_AT:])
        if not hmac.compare_digest(digest.digest(), frame[_TAG_AT:_PEER_AT]):
            return None
        newest = self._window.add(counter)
        return Opened(NodeId(frame[_PEER_AT:OVERHEAD]), frame[OVERHEAD:], newest)


def session_of(frame: bytes) -> bytes | None:
    """The session that a datagram names, if it is long enough for a frame."""
    return frame[1:_COUNTER_AT] if len(frame) > OVERHEAD else None


def _direction_key(key: bytes, *, to_relay: bool) -> bytes:
    return blake2b(_TO_RELAY if to_relay else _TO_CLIENT, key=key, digest_size=KEY_SIZE).digest()
