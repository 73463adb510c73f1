"""Bounded rates for each peer that asks for something."""

from __future__ import annotations

from macula.core.token_bucket import TokenBuckets
from macula.identity import NodeId

MAX_PEERS = 4096


class PeerLimiter:
    """A token bucket per peer, which outlives its connections: who connects anew has no more. Least recently used ones
    are forgotten above MAX_PEERS."""

    def __init__(self, rate: float, burst: float) -> None:
        """`rate` 0 lets everything pass."""
        self._buckets = TokenBuckets[NodeId](rate, burst, MAX_PEERS) if rate else None

    def take(self, peer: NodeId, amount: float, now: float) -> bool:
        """Whether so much more of this peer may be done now."""
        return self._buckets is None or self._buckets.take(peer, amount, now)
