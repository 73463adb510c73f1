"""Who may start a handshake through a relay: the relay is known, the peer is whom it says, and it may say anybody."""

from __future__ import annotations

from macula.core.route import Relayed
from macula.core.token_bucket import TokenBuckets
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
        self._relays = TokenBuckets[NodeId](rate, burst, MAX_RELAYS)
        self._peers = TokenBuckets[Relayed](PEER_RATE, PEER_BURST, MAX_PEERS)

    def take(self, source: Relayed, now: float) -> bool:
        """Whether one more handshake may start."""
        # The peer's own first, so that one that floods takes nothing from the others behind that relay.
        return self._peers.take(source, 1, now) and self._relays.take(source.relay, 1, now)

    def give_back(self, source: Relayed) -> None:
        """A handshake was completed: it is held against nobody."""
        self._peers.give_back(source, 1)
        self._relays.give_back(source.relay, 1)
