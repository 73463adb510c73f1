"""Reading: finds all live records of a name, from the network, the cache and what this node has itself."""

from __future__ import annotations

from collections.abc import Callable

from lru import LRU

from macula.core.commands import DhtLookup
from macula.core.effects import Completed
from macula.core.peer_record import PeerInfo
from macula.core.record import Kind, Record, record_key
from macula.core.requests import FindPeer, FindRecords, PeerFound, RecordsFound
from macula.core.results import LookupResult
from macula.dht.cache import RecordCache
from macula.dht.contacts import Contacts
from macula.dht.findings import Findings
from macula.dht.keyspace import Position, key_position, position
from macula.dht.lookups import Lookups, Search
from macula.dht.publisher import Publisher
from macula.dht.queries import Queries
from macula.dht.settings import DhtSettings
from macula.dht.storage import Storage
from macula.dht.stores import Stores
from macula.dht.turn import Turn
from macula.dht.verifier import Verifier
from macula.identity import NodeId

Then = Callable[[Turn, tuple[Record, ...]], None]


class Reader:
    """Answers FindRecords, FindPeer and the DhtLookup command.

    A read goes on until the k closest nodes have answered, and merges what all of them have: stopping at the first
    holder would miss a provider whose record did not reach it. As this costs a full lookup, the closest nodes that one
    found are remembered, and while they are fresh (`closest_fresh`) a repeated read asks only the `refresh_width`
    closest of them (or who is closer still, by their answers) and merges that with what was found before: every record
    is stored at all k closest, so the closest few hold what is new. Reads of one key at the same time share a lookup.
    Nodes among the closest that lack records or hold old ones are repaired.
    """

    def __init__(
        self,
        settings: DhtSettings,
        own: NodeId,
        contacts: Contacts,
        queries: Queries,
        lookups: Lookups,
        storage: Storage,
        stores: Stores,
        publisher: Publisher,
        verifier: Verifier,
        position: Position = position,
    ) -> None:
        self._settings = settings
        self._own = own
        self._contacts = contacts
        self._queries = queries
        self._lookups = lookups
        self._storage = storage
        self._stores = stores
        self._publisher = publisher
        self._verifier = verifier
        self._position = position
        self._cache = RecordCache(settings)
        self._repaired: LRU[bytes, float] = LRU(settings.cache_keys)
        self._reading: dict[bytes, list[Then]] = {}
        self.own_info: PeerInfo | None = None
        """This node's own peer record."""

    def find(self, turn: Turn, request: FindRecords) -> None:
        """Answered by RecordsFound."""

        def then(turn: Turn, records: tuple[Record, ...]) -> None:
            turn.emit(RecordsFound(request.token, records))

        self._read(turn, request.realm, request.kind, request.name, request.max_age, then)

    def find_peer(self, turn: Turn, request: FindPeer) -> None:
        """Answered by PeerFound: at once for this node and for connected ones."""
        if request.peer == self._own:
            turn.emit(PeerFound(request.token, request.peer, self.own_info))
            return
        known = self._contacts.get(request.peer)
        if known and self._queries.is_connected(request.peer):
            turn.emit(PeerFound(request.token, request.peer, known))
            return

        def then(turn: Turn, records: tuple[Record, ...]) -> None:
            infos = [self._verifier.peer(record.encoded) for record in records]
            known = self._contacts.get(request.peer)
            if known and known.record.expires > turn.wall:
                infos.append(known)
            best = max(infos, key=lambda info: info.record.seq, default=None)
            turn.emit(PeerFound(request.token, request.peer, self._contacts.learn(turn, best) if best else None))

        self._read(turn, "", Kind.PEER, str(request.peer), self._settings.peer_max_age, then)

    def look_up(self, turn: Turn, command: int, what: DhtLookup) -> None:
        """Always a full lookup. Completed with a LookupResult, in which this node counts among holders and closest."""
        key = record_key(what.realm, what.kind, what.name)
        findings = Findings(key, self._settings.max_records)

        def done(turn: Turn, search: Search) -> None:
            local = self._local(turn, key)
            holders = dict.fromkeys(findings.holders())
            closest = [info.node for info in search.closest]
            if local:
                holders[self._own] = None
            if self.own_info and self.own_info.reachable:
                closest.append(self._own)
                closest.sort(key=lambda node: self._position(node) ^ key_position(key))
            self._complete(turn, findings, search)
            result = LookupResult(key, findings.live(turn.wall), tuple(holders), tuple(closest[: self._settings.k]))
            turn.emit(Completed(command, result))

        self._lookups.start(
            turn, Search(target=key_position(key), realm=what.realm or None, findings=findings, done=done)
        )

    def resync(self, turn: Turn, record: Record) -> None:
        """Read the key of a record of this node anew, since some holder has a newer one."""
        self._read(turn, record.realm, record.kind, record.name, 0.0, lambda turn, records: None)

    def _read(self, turn: Turn, realm: str, kind: Kind, name: str, max_age: float, then: Then) -> None:
        key = record_key(realm, kind, name)
        cached = self._cache.fresh(key, max_age, turn.now, turn.wall)
        if cached is not None:
            findings = self._findings(key, cached)
            self._add_local(turn, findings)
            then(turn, findings.live(turn.wall))
            return
        if key in self._reading:
            self._reading[key].append(then)
            return
        self._reading[key] = [then]
        known = self._cache.get(key)
        findings = self._findings(key, known.records if known else [])
        seeds = [c for c in self._cache.closest(key, turn.now) if not self._contacts.is_failing(c.node, turn.now)]

        def done(turn: Turn, search: Search) -> None:
            self._complete(turn, findings, search)
            records = findings.live(turn.wall)
            for each in self._reading.pop(key):
                each(turn, records)

        self._lookups.start(
            turn,
            Search(
                target=key_position(key),
                realm=realm or None,
                findings=findings,
                seeds=seeds,
                width=self._settings.refresh_width if seeds else None,
                done=done,
            ),
        )

    def _complete(self, turn: Turn, findings: Findings, search: Search) -> None:
        """Keeps what a search found, adds what this node has itself, and repairs the closest nodes."""
        if search.closest:
            self._cache.put(findings, search.closest, search.width is None, turn.now, turn.wall)
        for record in findings.records():
            if record.node == self._own:
                self._publisher.observe(turn, record)
        self._add_local(turn, findings)
        self._repair(turn, findings, search.closest)

    def _repair(self, turn: Turn, findings: Findings, closest: tuple[PeerInfo, ...]) -> None:
        last = self._repaired.get(findings.key)
        if last is not None and turn.now - last < self._settings.repair_interval:
            return
        left = self._settings.repair_holders
        for info in closest:
            lacking = findings.repairs(info.node, turn.wall, self._settings.repair_records)
            for record in lacking:
                self._stores.put(turn, (info,), record, _ignore)
            left -= bool(lacking)
            if not left:
                break
        if left < self._settings.repair_holders:
            self._repaired[findings.key] = turn.now

    def _findings(self, key: bytes, records: list[Record]) -> Findings:
        findings = Findings(key, self._settings.max_records)
        for record in records:
            findings.add(record)
        return findings

    def _add_local(self, turn: Turn, findings: Findings) -> None:
        for record in self._local(turn, findings.key):
            findings.add(record)

    def _local(self, turn: Turn, key: bytes) -> list[Record]:
        own = self._publisher.record(key)
        return self._storage.records(key, turn.wall) + ([own] if own else [])


def _ignore(turn: Turn, info: PeerInfo, code: str) -> None:
    """A repair that is refused is not worth anything more."""
