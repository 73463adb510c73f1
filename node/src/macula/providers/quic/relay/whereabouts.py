"""Where a client of a relay is. Its frames prove who sent them, but not from where: until an address has answered (as
in RFC 9000, section 8.2) it gets at most three times what came from there, so that no relay can be aimed at a stranger.
"""

from __future__ import annotations

import hmac
import random

from macula.core.address import Address
from macula.providers.quic.relay.frame import OVERHEAD

AMPLIFICATION = 3
CHALLENGE_SIZE = 8
CHALLENGE_INTERVAL = 0.2
"""Seconds after which an address that did not answer is asked again, with the client's next frame."""


class Whereabouts:
    """Of one client, which is at `address`: the last one that its newest frame came from, or its connection goes to."""

    def __init__(self, address: Address, rng: random.Random) -> None:
        """`address` is proven, by the connection over which the session was granted."""
        self.address = address
        self._proven = address
        self._rng = rng
        self._challenge = b""
        self._asked_at = 0.0
        self._credit = 0

    def prove(self, address: Address) -> None:
        """The client is known to be there."""
        self.address = self._proven = address

    def seen(self, source: Address, size: int, now: float) -> bytes | None:
        """The client's newest frame, of `size` bytes, came from `source`. What to ask that address, if it is time."""
        if source == self._proven or source.tunnelled:
            self.prove(source)
            return None
        if source != self.address:
            self.address, self._credit, self._challenge = source, 0, b""
        self._credit += AMPLIFICATION * size
        if self._challenge and now < self._asked_at + CHALLENGE_INTERVAL:
            return None
        self._challenge = self._challenge or self._rng.randbytes(CHALLENGE_SIZE)
        self._asked_at = now
        return self._challenge if self.take(OVERHEAD + CHALLENGE_SIZE) else None

    def answered(self, source: Address, answer: bytes) -> None:
        """The client has sent this back from `source`."""
        if source == self.address != self._proven and hmac.compare_digest(answer, self._challenge):
            self.prove(source)

    def take(self, size: int) -> bool:
        """Whether so many bytes may go there; if so they count."""
        if self.address == self._proven:
            return True
        if size > self._credit:
            return False
        self._credit -= size
        return True
