"""Who may start a handshake through a relay: the relay is known, the peer is whom it says, and it may say anybody."""

from __future__ import annotations

from lru import LRU

from macula.core.route import Relayed
from macula.core.token_bucket import TokenBucket
from macula.identity import NodeId

MAX_RELAYS = 256
MAX_PEERS = 4096

PEER_RATE = 2.0
"""Handshakes per second that one peer may leave unfinished through one relay."""
PEER_BURST = 8


class RelayedLimiter:
    """A token bucket for each relay, which stands for all that come through it, and for each of these peers."""

    def __init__(self, rate: float, burst: int) -> None:
        """`rate` and `burst` for one relay."""
        self._rate = rate
        self._burst = burst
        self._relays: LRU[NodeId, TokenBucket] = LRU(MAX_RELAYS)
        self._peers: LRU[Relayed, TokenBucket] = LRU(MAX_PEERS)

    def take(self, source: Relayed, now: float) -> bool:
        """Whether one more handshake may start."""
        peer = self._peers.get(source)
        if peer is None:
            peer = self._peers[source] = TokenBucket(PEER_RATE, PEER_BURST, now)
        relay = self._relays.get(source.relay)
        if relay is None:
            relay = self._relays[source.relay] = TokenBucket(self._rate, self._burst, now)
        # The peer's own first, so that one that floods takes nothing from the others behind that relay.
        return peer.take(1, now) and relay.take(1, now)

    def give_back(self, source: Relayed) -> None:
        """A handshake was completed: it is held against nobody."""
        for bucket in (self._peers.get(source), self._relays.get(source.relay)):
            if bucket is not None:
                bucket.give_back(1)
