"""Connections that go through relays, and which other relay may carry each when one fails."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from macula.core.effects import SetPath, Trace
from macula.core.requests import Redial
from macula.core.route import Relayed, Route
from macula.core.service import Action
from macula.identity import NodeId


@dataclass(slots=True)
class _Detour:
    route: Route | None
    relays: tuple[NodeId, ...]
    """Those that the peer's record names."""
    failures: int = 0
    """Moves since the peer was heard last."""


class Detours:
    """The connected peers: how they are reached, and through which relays they say that they can be."""

    def __init__(self) -> None:
        self._peers: dict[NodeId, _Detour] = {}

    def add(self, peer: NodeId, route: Route | None, relays: tuple[NodeId, ...]) -> None:
        """A peer is connected."""
        self._peers[peer] = _Detour(route, relays)

    def remove(self, peer: NodeId) -> None:
        """A peer is gone."""
        self._peers.pop(peer, None)

    def moved(self, peer: NodeId, route: Route) -> None:
        """A peer is reached by another route."""
        if peer in self._peers:
            self._peers[peer].route = route

    def heard(self, peer: NodeId) -> None:
        """A peer answers again."""
        if peer in self._peers:
            self._peers[peer].failures = 0

    def needs(self, relay: NodeId) -> bool:
        """Whether a connection goes through this relay, or might when another fails."""
        return any(
            isinstance(detour.route, Relayed) and (detour.route.relay == relay or relay in detour.relays)
            for detour in self._peers.values()
        )

    def through(self, relay: NodeId) -> list[NodeId]:
        """The peers that are reached through this relay."""
        return [
            peer
            for peer, detour in self._peers.items()
            if isinstance(detour.route, Relayed) and detour.route.relay == relay
        ]

    def relay_of(self, peer: NodeId) -> NodeId | None:
        """The relay through which a peer is reached, if it is."""
        detour = self._peers.get(peer)
        return detour.route.relay if detour is not None and isinstance(detour.route, Relayed) else None

    def move(self, peer: NodeId, usable: Collection[NodeId], homes: tuple[NodeId, ...], reason: str) -> list[Action]:
        """Reach the peer through the next relay after its present one. Both may know different ones: those that the
        peer names and this node's homes are tried in turn, each time that the peer is reported suspect; when all were
        in vain it is dialed anew, too."""
        present = self.relay_of(peer)
        if present is None:
            return []
        ring = [relay for relay in dict.fromkeys([*self._peers[peer].relays, *homes]) if relay in usable]
        if present in ring:
            at = ring.index(present)
            ring = ring[at + 1 :] + ring[:at]
        detour = self._peers[peer]
        detour.failures += 1
        # Once each relay was tried the peer may not be at the other end of this connection any more.
        redial: list[Action] = [Redial(peer)] if detour.failures > len(ring) else []
        if not ring:
            return redial
        route = Relayed(ring[0], peer)
        detour.route = route
        fields = {"peer": peer, "from": present, "to": ring[0], "reason": reason}
        return [*redial, SetPath(peer, route), Trace("relay.moved", fields, f"connection.moved {peer}")]
