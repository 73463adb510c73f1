"""Keeping the routing table true: joining, refreshing buckets, asking contacts whether they are alive."""

from __future__ import annotations

import random
from collections.abc import Callable

from macula.core.peer_record import PeerInfo
from macula.dht.keyspace import BITS, Position, bucket_index, position, random_in_bucket, to_key
from macula.dht.lookups import Lookups, Search
from macula.dht.queries import Queries, Reply
from macula.dht.routing import RoutingTable
from macula.dht.settings import DhtSettings
from macula.dht.turn import Due, DueTimers, Turn
from macula.identity.realms import common_realm
from macula.wire.messages import FindNode, FindNodeReply


class Maintenance:
    """Looks up this node's own position when the first contact comes, and again from time to time.

    `learn` reads the contacts of an answer; `joined_now` is called when a join has found somebody.
    """

    def __init__(
        self,
        settings: DhtSettings,
        own: int,
        realms: tuple[str, ...],
        rng: random.Random,
        timers: DueTimers,
        table: RoutingTable,
        lookups: Lookups,
        queries: Queries,
        *,
        learn: Callable[[Turn, PeerInfo, tuple[bytes, ...]], None],
        joined_now: Callable[[Turn], None],
        position: Position = position,
    ) -> None:
        self._settings = settings
        self._own = own
        self._realms = realms
        self._rng = rng
        self._timers = timers
        self._table = table
        self._lookups = lookups
        self._queries = queries
        self._learn = learn
        self._joined_now = joined_now
        self._position = position
        self._joining = False
        self.joined = False
        """Whether a lookup of this node's own position has ended with an answer at least once."""

    def contact_added(self, turn: Turn) -> None:
        """The routing table has one more contact; the first one makes this node join."""
        if (Due.MAINTAIN, 0) not in self._timers:
            self._set(turn, Due.MAINTAIN, self._settings.maintenance_interval)
        if not self._joining and (not self.joined or len(self._table) == 1):
            self._join(turn)

    def self_lookup_due(self, turn: Turn) -> None:
        """The timer of the self-lookup."""
        if not self.joined:
            self._join(turn)
            return
        self._set(turn, Due.SELF_LOOKUP, self._settings.self_lookup_interval)
        self._lookups.start(turn, Search(target=self._own, realm=None, done=_nothing))

    def maintain(self, turn: Turn) -> None:
        """Refreshes the stalest bucket, and asks contacts for their new record before the one known expires."""
        self._set(turn, Due.MAINTAIN, self._settings.maintenance_interval)
        stale = self._table.stalest(turn.now - self._settings.refresh_interval, self._settings.max_refreshes)
        if stale is not None:
            self._refresh(turn, [stale])
        horizon = turn.wall + 2 * self._settings.maintenance_interval
        ageing = [contact.info for contact in self._table if contact.info.record.expires < horizon]
        for info in ageing[: self._settings.k]:
            self.probe(turn, info)

    def probe(self, turn: Turn, info: PeerInfo, attempt: int = 1) -> None:
        """Ask a contact for its own neighbourhood, and once more if need be: it answers, with its newest record, or is
        removed. A ping that is useful."""

        def replied(turn: Turn, reply: Reply) -> None:
            if isinstance(reply, FindNodeReply):
                self._learn(turn, info, reply.nodes)

        def failed(turn: Turn) -> None:
            if attempt < self._settings.max_failures:
                self.probe(turn, info, attempt + 1)
            else:
                self._table.remove(info.node)

        target = to_key(self._position(info.node))
        realm = common_realm(self._realms, info.realms) or ""
        self._queries.ask(turn, info, lambda request: FindNode(realm, request, target), replied, failed)

    def _join(self, turn: Turn) -> None:
        self._joining = True
        self._lookups.start(turn, Search(target=self._own, realm=None, done=self._looked_up))

    def _looked_up(self, turn: Turn, search: Search) -> None:
        self._joining = False
        closest = search.closest
        if not closest:
            if len(self._table):
                self._set(turn, Due.SELF_LOOKUP, self._settings.join_retry)
            return
        self.joined = True
        self._set(turn, Due.SELF_LOOKUP, self._settings.self_lookup_interval)
        self._joined_now(turn)
        # Fewer than k nodes were found in all: there are no others for a refresh to find.
        if len(closest) >= self._settings.k:
            nearest = bucket_index(self._own, self._position(closest[0].node))
            farther = range(BITS - 1, nearest, -1)
            self._refresh(turn, list(farther[: self._settings.max_refreshes]))

    def _refresh(self, turn: Turn, indices: list[int]) -> None:
        """Refreshes these buckets, one after the other."""
        if indices:
            target = random_in_bucket(self._own, indices[0], self._rng)
            self._lookups.start(
                turn,
                Search(target=target, realm=None, done=lambda turn, search: self._refresh(turn, indices[1:])),
            )

    def _set(self, turn: Turn, due: Due, after: float) -> None:
        self._timers.set((due, 0), turn.now + after * self._rng.uniform(0.75, 1.25))


def _nothing(turn: Turn, search: Search) -> None:
    """A self-lookup does its work on the way."""
