"""Handlers by the network that their callers come from."""

from __future__ import annotations

from collections import Counter

from macula.core.networks import routable_network
from macula.core.route import Relayed, Route
from macula.identity import NodeId


class Origins:
    """How many handlers run for the callers of each globally routable network.

    Identities cost nothing, networks do: without this, one host could take every handler. Callers behind a relay, or of
    an envelope, count for no network.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._network: dict[NodeId, bytes] = {}
        self._handlers: Counter[bytes] = Counter()

    def reached(self, peer: NodeId, route: Route | None) -> None:
        """A connected peer is reached by this route from now on."""
        network = None if route is None or isinstance(route, Relayed) else routable_network(route.host)
        if network is None:
            self._network.pop(peer, None)
        else:
            self._network[peer] = network

    def gone(self, peer: NodeId) -> None:
        """A peer is not connected any more. Its handlers count until they have ended."""
        self._network.pop(peer, None)

    def network(self, peer: NodeId) -> bytes | None:
        """What a handler for this peer counts for; None if that is no network."""
        return self._network.get(peer)

    def is_full(self, network: bytes) -> bool:
        """Whether no more handlers may run for a network."""
        return self._handlers[network] >= self._most

    def started(self, network: bytes) -> None:
        """One more runs for a network: tell `ended`."""
        self._handlers[network] += 1

    def ended(self, network: bytes) -> None:
        """One less."""
        self._handlers[network] -= 1
        if not self._handlers[network]:
            del self._handlers[network]
