"""Records on their way to other nodes: gathered for each node and sent together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from macula.core.peer_record import PeerInfo
from macula.core.record import Record
from macula.dht.queries import Queries, Reply
from macula.dht.settings import DhtSettings
from macula.dht.turn import Due, DueTimers, Turn
from macula.identity import NodeId
from macula.identity.realms import common_realm
from macula.wire import codes
from macula.wire.messages import Store, StoreReply

OnStored = Callable[[Turn, PeerInfo, str], None]
"""Told how a node answered for one record: one of wire.codes, "" if it did not answer."""


@dataclass(slots=True)
class _Item:
    record: Record
    on_stored: OnStored


@dataclass(slots=True)
class _Outbox:
    info: PeerInfo
    items: list[_Item]


class Stores:
    """Sends records to nodes, several to one node in one Store message."""

    def __init__(
        self,
        settings: DhtSettings,
        realms: tuple[str, ...],
        timers: DueTimers,
        queries: Queries,
        not_serving: Callable[[NodeId], None],
    ) -> None:
        self._settings = settings
        self._realms = realms
        self._timers = timers
        self._queries = queries
        self._not_serving = not_serving
        self._outboxes: dict[NodeId, _Outbox] = {}
        self._in_flight = 0

    @property
    def idle(self) -> bool:
        """Whether nothing is gathered and no answer is awaited."""
        return not self._outboxes and not self._in_flight

    def put(self, turn: Turn, infos: Iterable[PeerInfo], record: Record, on_stored: OnStored) -> None:
        """Store a record at nodes soon. `on_stored` is called once for each, and again if its answer comes late."""
        item = _Item(record, on_stored)
        for info in infos:
            outbox = self._outboxes.get(info.node)
            if outbox is None:
                outbox = self._outboxes[info.node] = _Outbox(info, [])
                self._timers.set((Due.FLUSH, info.node), turn.now + self._settings.store_delay)
            outbox.items.append(item)

    def flush(self, turn: Turn, node: NodeId) -> None:
        """Send what was gathered for a node."""
        self._timers.cancel((Due.FLUSH, node))
        outbox = self._outboxes.pop(node)
        of_realm: dict[str, list[_Item]] = {}
        for item in outbox.items:
            realm = item.record.realm or common_realm(self._realms, outbox.info.realms) or ""
            of_realm.setdefault(realm, []).append(item)
        for realm, items in of_realm.items():
            for start in range(0, len(items), self._settings.store_batch):
                self._send(turn, outbox.info, realm, items[start : start + self._settings.store_batch])

    def flush_all(self, turn: Turn) -> None:
        """Send all that was gathered, without waiting for more."""
        for node in list(self._outboxes):
            self.flush(turn, node)

    def _send(self, turn: Turn, info: PeerInfo, realm: str, items: list[_Item]) -> None:
        self._in_flight += 1
        awaited = True

        def settled() -> None:
            nonlocal awaited
            self._in_flight -= awaited
            awaited = False

        def replied(turn: Turn, reply: Reply) -> None:
            settled()
            results = reply.results if isinstance(reply, StoreReply) else ()
            if len(results) != len(items):
                turn.refuse("dht.store.malformed", info.node, f"{len(results)} results for {len(items)} records")
                results = ("",) * len(items)
            if codes.NOT_SERVING in results:
                self._not_serving(info.node)
            for item, code in zip(items, results, strict=True):
                item.on_stored(turn, info, code)

        def failed(turn: Turn) -> None:
            settled()
            for item in items:
                item.on_stored(turn, info, "")

        records = tuple(item.record.encoded for item in items)
        self._queries.ask(turn, info, lambda request: Store(realm, request, records), replied, failed)
