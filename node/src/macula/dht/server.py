"""Answering the queries of other nodes."""

from __future__ import annotations

import bisect
from collections.abc import Callable

from macula.core.effects import Trace
from macula.core.lanes import Lane
from macula.core.limits import Limit, met
from macula.core.peer_limiter import PeerLimiter
from macula.core.peer_record import PeerInfo
from macula.core.record import Kind, Record
from macula.core.requests import SendTo
from macula.dht.keyspace import key_position
from macula.dht.publisher import Publisher
from macula.dht.routing import RoutingTable
from macula.dht.settings import DhtSettings
from macula.dht.storage import Storage
from macula.dht.turn import Turn
from macula.dht.verifier import Verifier
from macula.identity import NodeId
from macula.identity.realms import ANY_REALM, serves
from macula.wire import codes
from macula.wire.messages import FindNode, FindNodeReply, FindValue, FindValueReply, Store, StoreReply

_Encoded = tuple[bytes, ...]
_Tags = tuple[bytes, ...]


class Server:
    """Serves contacts and records while this node is reachable; else answers with nothing, and keeps nothing.

    `renewed` is told a peer's own record when the peer stores it here: the way to learn that it became reachable.
    """

    def __init__(
        self,
        settings: DhtSettings,
        table: RoutingTable,
        storage: Storage,
        publisher: Publisher,
        verifier: Verifier,
        renewed: Callable[[Turn, PeerInfo], None],
    ) -> None:
        self._settings = settings
        self._table = table
        self._storage = storage
        self._publisher = publisher
        self._verifier = verifier
        self._renewed = renewed
        self._rates = PeerLimiter(settings.record_rate, max(settings.record_rate, settings.storer_quota))
        self.own_info: PeerInfo | None = None
        """This node's own peer record; it serves while that says reachable."""

    def find_node(self, turn: Turn, peer: NodeId, query: FindNode) -> None:
        """Answers with the k closest contacts."""
        nodes, known = self._nodes(turn, peer, query, query.target)
        turn.emit(SendTo(peer, Lane.CONTROL, FindNodeReply(query.request, nodes, known)))

    def find_value(self, turn: Turn, peer: NodeId, query: FindValue) -> None:
        """Answers with a page of records and, on the first page, the k closest contacts. Tombstones are among the
        records, or the asker could not tell withdrawn from never seen."""
        records, more = self._page(turn, query)
        nodes, known = ((), ()) if query.after else self._nodes(turn, peer, query, query.key)
        reply = FindValueReply(query.request, tuple(record.encoded for record in records), nodes, more, known)
        turn.emit(SendTo(peer, Lane.CONTROL, reply))

    def store(self, turn: Turn, peer: NodeId, query: Store) -> None:
        """Keeps what may be kept, and answers with a code for each record."""
        results = tuple([self._keep(turn, peer, query.realm, encoded) for encoded in query.records])
        turn.emit(SendTo(peer, Lane.CONTROL, StoreReply(query.request, results)))

    @property
    def _serving(self) -> bool:
        return self.own_info is not None and self.own_info.reachable

    def _keep(self, turn: Turn, peer: NodeId, realm: str, encoded: bytes) -> str:
        if not self._serving:
            return codes.NOT_SERVING
        if not self._rates.take(peer, 1, turn.now):
            turn.emit(met(Limit.RECORD_RATE, peer))
            return codes.QUOTA
        code = self._storage.offer(encoded, peer, realm, turn.wall)
        if code == codes.STORED:
            record = self._verifier.record(encoded)
            if record.kind is Kind.PEER and record.node == peer and not record.is_tombstone:
                self._renewed(turn, self._verifier.peer(encoded))
        elif code != codes.UNCHANGED:
            self._refused(turn, peer, code)
        return code

    def _refused(self, turn: Turn, peer: NodeId, code: str) -> None:
        if code == codes.QUOTA:
            turn.emit(Trace("dht.record.over_quota", {"peer": peer}, limit=f"dht.record.over_quota {peer}"))
        else:
            turn.refuse("dht.record.refused", peer, code)
        if code in (codes.QUOTA, codes.TOO_LARGE, codes.BAD_TTL):
            turn.emit(met(Limit.RECORDS, peer))

    def _page(self, turn: Turn, query: FindValue) -> tuple[list[Record], bool]:
        if not self._serving:
            return [], False
        size = self._settings.page_size
        records, more = self._storage.page(query.key, query.after, turn.wall, size)
        own = self._publisher.record(query.key)
        if own and own.node > query.after and (not more or own.node < records[-1].node):
            records = [record for record in records if record.node != own.node]
            bisect.insort(records, own, key=lambda record: record.node)
            if len(records) > size:
                records.pop()
                more = True
        if records and records[0].realm not in ("", query.realm):
            return [], False
        return records, more

    def _nodes(self, turn: Turn, peer: NodeId, query: FindNode | FindValue, target: bytes) -> tuple[_Encoded, _Tags]:
        """The k closest contacts whose record still lives, and this node's own newest record: so everybody who asks a
        node learns its renewed record, and can hand it on. Those that the asker knows are only named."""
        if not self._serving or self.own_info is None:
            return (), ()
        realm, wall = query.realm, turn.wall

        def accept(info: PeerInfo) -> bool:
            alive = info.record.expires > wall and info.node != peer
            return alive and (realm == ANY_REALM or serves(info.realms, realm))

        closest = self._table.closest(key_position(target), self._settings.k, accept)
        known = frozenset(query.known)
        nodes, named = [], []
        for info in (*closest, self.own_info):
            tag = info.record.tag
            if tag in known:
                named.append(tag)
            else:
                nodes.append(info.record.encoded)
        return tuple(nodes), tuple(named)
