"""Knowing a whole mesh, where it is so small that all of it keeps every record."""

from __future__ import annotations

from macula.core.peer_record import PeerInfo
from macula.dht.contacts import Contacts
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

    def __init__(self, settings: DhtSettings, table: RoutingTable, contacts: Contacts, queries: Queries) -> None:
        self._settings = settings
        self._table = table
        self._contacts = contacts
        self._queries = queries
        self._taken: dict[str | None, tuple[float, frozenset[NodeId]]] = {}

    def take(self, turn: Turn, realm: str | None, closest: tuple[PeerInfo, ...]) -> None:
        """A full lookup in this realm (None: in any of ours) has found these."""
        self._taken.pop(realm, None)
        if len(closest) < self._settings.k:
            self._taken[realm] = turn.now, frozenset(info.node for info in closest)

    def closest(self, turn: Turn, realm: str | None, target: int) -> tuple[PeerInfo, ...] | None:
        """The closest nodes of all, nearest first; None if they have to be looked up."""
        at, everybody = self._taken.get(realm, (0.0, frozenset()))
        if not everybody or turn.now - at >= self._settings.closest_fresh:
            return None

        def accept(info: PeerInfo) -> bool:
            in_realm = realm is None or serves(info.realms, realm)
            return in_realm and not self._contacts.is_failing(info.node, turn.now)

        known = self._table.closest(target, self._settings.k, accept)
        connected = all(self._queries.is_connected(info.node) for info in known)
        return tuple(known) if connected and everybody == {info.node for info in known} else None
