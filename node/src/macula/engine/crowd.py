"""How many of the peers that came by themselves are of one network."""

from __future__ import annotations

from collections import Counter

from macula.core.networks import routable_network
from macula.core.route import Relayed, Route
from macula.identity import NodeId


class Crowd:
    """Inbound peers by the globally routable network that they came from.

    Identities cost nothing, networks do: without this, one host could take every place in the pool. Those behind a
    relay are that relay's to limit.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._network: dict[NodeId, bytes] = {}
        self._count: Counter[bytes] = Counter()

    def enter(self, peer: NodeId, route: Route) -> bool:
        """Whether there is room for one more; if so it is taken until `leave`."""
        network = None if isinstance(route, Relayed) else routable_network(route.host)
        if network is None:
            return True
        if self._count[network] >= self._most:
            return False
        self._network[peer] = network
        self._count[network] += 1
        return True

    def leave(self, peer: NodeId) -> None:
        """The peer is gone; harmless for one that took no place."""
        network = self._network.pop(peer, None)
        if network is not None:
            self._count[network] -= 1
            if not self._count[network]:
                del self._count[network]
