"""The DHT of one node as a state machine: routes events to its parts."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import assert_never

from macula.core.commands import DhtLookup, DhtStats
from macula.core.effects import Completed
from macula.core.events import CommandGiven, PeerSuspect
from macula.core.peer_record import PeerInfo
from macula.core.requests import (
    ClockMoved,
    Draining,
    FindPeer,
    FindRecords,
    PeerDown,
    PeerUp,
    PublishRecord,
    Received,
    SelfChanged,
    SendFailed,
    WithdrawRecord,
)
from macula.core.results import DhtStatistics
from macula.core.service import Action, ServiceEvent
from macula.core.timers import Timers
from macula.dht.census import Census
from macula.dht.contacts import Contacts
from macula.dht.keyspace import position
from macula.dht.lookups import Lookups
from macula.dht.maintenance import Maintenance
from macula.dht.publisher import Publisher
from macula.dht.queries import Queries
from macula.dht.reader import Reader
from macula.dht.routing import RoutingTable
from macula.dht.server import Server
from macula.dht.settings import DhtSettings
from macula.dht.storage import Storage
from macula.dht.stores import Stores
from macula.dht.turn import Due, DueKey, DueTimers, Turn
from macula.dht.verifier import Verifier
from macula.identity import Identity
from macula.identity.realms import common_realm
from macula.wire import codes
from macula.wire.messages import FindNode, FindNodeReply, FindValue, FindValueReply, Store, StoreReply

_SHORTEST = 0.001
"""Least wait for an expiry, in seconds: the wall clock and `now` need not agree to the microsecond."""


class Dht:
    """Finds, keeps and publishes signed records (Kademlia). A core.service.Service.

    `realms` are this node's own, ("*",) if it serves any. `tokens` gives numbers that no other service of the engine
    uses. A `verifier` may be shared by the nodes of a simulation, to check each signature once for all.
    """

    def __init__(
        self,
        settings: DhtSettings,
        identity: Identity,
        rng: random.Random,
        tokens: Iterator[int],
        realms: tuple[str, ...],
        verifier: Verifier | None = None,
    ) -> None:
        own = identity.node_id
        self._realms = realms
        place = position(own)
        verifier = verifier or Verifier(settings.verified_records)
        self._timers: DueTimers = Timers()
        self._table = RoutingTable(
            place,
            k=settings.k,
            replacements=settings.replacements,
            prefix_limit=settings.prefix_limit,
            probe_after=settings.probe_after,
        )
        self._contacts = Contacts(settings, own, realms, verifier, self._table)
        self._queries = Queries(settings, rng, tokens, self._timers, answered=self._answered, failed=self._unanswered)
        self._lookups = Lookups(settings, realms, self._timers, self._table, self._contacts, self._queries, verifier)
        self._stores = Stores(settings, realms, self._timers, self._queries, self._table.remove)
        self._publisher = Publisher(
            settings,
            identity,
            rng,
            self._timers,
            self._lookups,
            Census(settings, self._table, self._queries),
            self._stores,
            lambda turn, record: self._reader.resync(turn, record),
        )
        self._storage = Storage(settings, verifier)
        self._server = Server(settings, self._table, self._storage, self._publisher, verifier, self._peer_renewed)
        self._reader = Reader(
            settings,
            own,
            self._contacts,
            self._queries,
            self._lookups,
            self._storage,
            self._stores,
            self._publisher,
            verifier,
        )
        self._maintenance = Maintenance(
            settings,
            place,
            realms,
            rng,
            self._timers,
            self._table,
            self._lookups,
            self._queries,
            learn=lambda turn, source, nodes: self._read_contacts(turn, source, nodes),
            joined_now=self._publisher.publish_all,
        )
        self._armed: float | None = None

    @property
    def joined(self) -> bool:
        """Whether this node has looked up its own position and was answered, at least once."""
        return self._maintenance.joined

    @property
    def drained(self) -> bool:
        """Whether no record is on its way: after Draining, whether the withdrawals have been answered or given up."""
        return self._stores.idle

    def stats(self) -> DhtStatistics:
        """How much this node knows and keeps."""
        return DhtStatistics(
            nodes=len(self._table),
            buckets=len(self._table.indices()),
            stored_keys=len(self._storage.live_keys | self._publisher.live_keys),
        )

    def handle(self, event: ServiceEvent, now: float, wall: float) -> list[Action]:
        """Everything that follows from one event. Never raises."""
        turn = Turn(now, wall)
        for due in self._timers.pop_due(now):
            self._time(turn, due)
        self._route(turn, event)
        self._arm_expiry(turn)
        return turn.actions

    def next_deadline(self) -> float | None:
        """When to call handle(Tick()) next, at the latest."""
        return self._timers.next()

    def _route(self, turn: Turn, event: ServiceEvent) -> None:
        match event:
            case Received():
                self._received(turn, event)
            case PeerUp():
                self._queries.peer_up(turn, event.peer)
                self._peer_renewed(turn, event.info)
            case PeerDown(peer, code):
                self._queries.peer_down(peer)
                if code == codes.GOING_AWAY:
                    self._contacts.left(peer, turn.now)
                    self._table.remove(peer)
                    self._queries.peer_gone(turn, peer)
            case PeerSuspect(peer, suspect=True):
                self._queries.peer_gone(turn, peer)
            case SendFailed():
                self._queries.send_failed(turn, event)
            case FindRecords():
                self._reader.find(turn, event)
            case FindPeer():
                self._reader.find_peer(turn, event)
            case PublishRecord():
                self._publisher.publish(turn, event.realm, event.kind, event.name, event.value, event.token)
            case WithdrawRecord():
                self._publisher.withdraw(turn, event.realm, event.kind, event.name, event.token)
            case SelfChanged():
                self._server.own_info = self._reader.own_info = event.info
                self._publisher.publish_signed(turn, event.info.record)
            case CommandGiven(id, DhtLookup() as lookup):
                self._reader.look_up(turn, id, lookup)
            case CommandGiven(id, DhtStats()):
                turn.emit(Completed(id, self.stats()))
            case ClockMoved():
                self._publisher.renew_all(turn)
            case Draining():
                self._publisher.drain(turn)
            case _:
                pass  # what concerns the other services, and Tick, whose timers were seen to

    def _received(self, turn: Turn, event: Received) -> None:
        if event.hops:
            turn.refuse("dht.message.refused", event.peer, "DHT messages do not travel in envelopes")
            return
        message = event.message
        if isinstance(message, FindNodeReply | FindValueReply | StoreReply):
            self._queries.received(turn, event.peer, message)
            return
        info = self._contacts.get(event.peer)
        if info:
            self._heard(turn, info)
        match message:
            case FindNode():
                self._server.find_node(turn, event.peer, message)
            case FindValue():
                self._server.find_value(turn, event.peer, message)
            case Store():
                self._server.store(turn, event.peer, message)
            case _:
                pass

    def _time(self, turn: Turn, key: DueKey) -> None:
        due, detail = key
        match due:
            case Due.QUERY:
                self._queries.timed_out(turn, detail)
            case Due.LOOKUP:
                self._lookups.timed_out(turn, detail)
            case Due.FLUSH:
                self._stores.flush(turn, detail)
            case Due.PUBLISH:
                self._publisher.due(turn, detail)
            case Due.EXPIRE:
                self._armed = None
                self._storage.expire(turn.wall)
            case Due.SELF_LOOKUP:
                self._maintenance.self_lookup_due(turn)
            case Due.MAINTAIN:
                self._maintenance.maintain(turn)
            case _:
                assert_never(due)

    def _arm_expiry(self, turn: Turn) -> None:
        due = self._storage.next_expiry()
        if due is not None and due != self._armed:
            self._armed = due
            self._timers.set((Due.EXPIRE, 0), turn.now + max(due - turn.wall, _SHORTEST))

    def _peer_renewed(self, turn: Turn, info: PeerInfo) -> None:
        """A connected peer has shown its own record."""
        self._heard(turn, self._contacts.learn(turn, info))

    def _answered(self, turn: Turn, info: PeerInfo) -> None:
        self._heard(turn, self._contacts.get(info.node) or info)

    def _heard(self, turn: Turn, info: PeerInfo) -> None:
        """A node is alive; if it serves the DHT, it belongs into the routing table."""
        self._contacts.answered(info.node)
        if not info.reachable or common_realm(self._realms, info.realms) is None:
            self._table.remove(info.node)
            return
        seen = self._table.seen(info, turn.now)
        if seen.probe:
            self._maintenance.probe(turn, seen.probe)
        if seen.added:
            if self.joined:
                self._publisher.newcomer(turn, info)
            self._maintenance.contact_added(turn)

    def _unanswered(self, turn: Turn, info: PeerInfo) -> None:
        if self._contacts.failed(info, turn.now):
            self._table.remove(info.node)

    def _read_contacts(self, turn: Turn, source: PeerInfo, nodes: tuple[bytes, ...]) -> None:
        self._contacts.read(turn, source.node, nodes)
