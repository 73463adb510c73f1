"""Knowing a whole mesh, where it is so small that all of it keeps every record."""

from __future__ import annotations

from macula.core.peer_record import PeerInfo
from macula.dht.queries import Queries
from macula.dht.routing import RoutingTable
from macula.dht.settings import DhtSettings
from macula.dht.turn import Turn
from macula.identity import NodeId
from macula.identity.realms import serves


class Census:
    """A lookup that ends with fewer than k nodes has found everybody, and the next one would find the same.

    So while that is fresh (`closest_fresh`) nobody is asked who is closest to another key: a lookup costs k questions,
    and each answer k peer records. It does not count any more as soon as the routing table says otherwise: somebody
    has come, or left, or is not connected, and so may be dead.
    """

    def __init__(self, settings: DhtSettings, table: RoutingTable, queries: Queries) -> None:
        self._settings = settings
        self._table = table
        self._queries = queries
        self._taken: dict[str | None, tuple[float, frozenset[NodeId]]] = {}

    def take(self, turn: Turn, realm: str | None, closest: tuple[PeerInfo, ...]) -> None:
        """A full lookup in this realm (None: in any of ours) has found these."""
        self._taken.pop(realm, None)
        if len(closest) < self._settings.k:
            self._taken[realm] = turn.now, frozenset(info.node for info in closest)

    def everybody(self, turn: Turn, realm: str | None) -> tuple[PeerInfo, ...] | None:
        """All nodes there are; None if those closest to a key have to be looked up."""
        at, taken = self._taken.get(realm, (0.0, frozenset()))
        if not taken or turn.now - at >= self._settings.closest_fresh or not self._queries.are_connected(taken):
            return None
        known = [each.info for each in self._table if realm is None or serves(each.info.realms, realm)]
        return tuple(known) if taken == {info.node for info in known} else None
