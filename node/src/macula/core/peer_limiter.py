"""Bounded rates for each peer that asks for something."""

from __future__ import annotations

from lru import LRU

from macula.core.token_bucket import TokenBucket
from macula.identity import NodeId

MAX_PEERS = 4096


class PeerLimiter:
    """A token bucket per peer, which outlives its connections: who connects anew has no more. Least recently used ones
    are forgotten above MAX_PEERS."""

    def __init__(self, rate: float, burst: float) -> None:
        """`rate` 0 lets everything pass."""
        self._rate = rate
        self._burst = burst
        self._buckets: LRU[NodeId, TokenBucket] = LRU(MAX_PEERS)

    def take(self, peer: NodeId, amount: float, now: float) -> bool:
        """Whether so much more of this peer may be done now."""
        if not self._rate:
            return True
        bucket = self._buckets.get(peer)
        if bucket is None:
            bucket = self._buckets[peer] = TokenBucket(self._rate, self._burst, now)
        return bucket.take(amount, now)
