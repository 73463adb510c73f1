"""The records of this node: kept at the k closest nodes until they are withdrawn."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from macula.core.effects import Trace
from macula.core.peer_record import PeerInfo
from macula.core.record import Kind, Record, record_key, sign_record
from macula.core.requests import RecordStored
from macula.dht.census import Census
from macula.dht.keyspace import Position, key_position, position
from macula.dht.lookups import Lookups, Search
from macula.dht.settings import DhtSettings
from macula.dht.stores import Stores
from macula.dht.turn import Due, DueTimers, Turn
from macula.errors import ArgumentError
from macula.identity import Identity, NodeId
from macula.identity.realms import serves
from macula.wire import codes
from macula.wire.values import Value


@dataclass(slots=True)
class _Own:
    """A record of this node, the nodes that took it (as far as known), and how far the farthest one is from its key."""

    record: Record
    holders: dict[NodeId, PeerInfo] = field(default_factory=dict)
    radius: int | None = None


@dataclass(slots=True)
class _Spread:
    """One publication: who asked for it, whose answers it awaits, and how many took the record."""

    key: bytes
    record: Record
    token: int | None
    awaited: dict[NodeId, None] = field(default_factory=dict)
    stored: int = 0


class Publisher:
    """Signs this node's records, stores them, renews them at half of their ttl with jitter, and withdraws them.

    The sequence is wall time in milliseconds, but always higher than the last, so neither a restart nor a clock that
    was set back locks the node out. Records due within a tenth of their ttl are renewed together, so that they share
    Store messages. `resync` is asked to look up a key where a holder has a higher sequence than ours.
    """

    def __init__(
        self,
        settings: DhtSettings,
        identity: Identity,
        rng: random.Random,
        timers: DueTimers,
        lookups: Lookups,
        census: Census,
        stores: Stores,
        resync: Callable[[Turn, Record], None],
        position: Position = position,
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._rng = rng
        self._timers = timers
        self._lookups = lookups
        self._census = census
        self._stores = stores
        self._resync = resync
        self._position = position
        self._own: dict[bytes, _Own] = {}
        self._due: dict[bytes, float] = {}
        self._last_seq = 0
        self._draining = False

    @property
    def live_keys(self) -> set[bytes]:
        """Keys of the records that are not withdrawn."""
        return {key for key, own in self._own.items() if not own.record.is_tombstone}

    def record(self, key: bytes) -> Record | None:
        """This node's record under a key, which may be a tombstone."""
        own = self._own.get(key)
        return own.record if own else None

    def publish(self, turn: Turn, realm: str, kind: Kind, name: str, value: Value, token: int) -> None:
        """Publish a record or a new value of it. Answered by RecordStored once the closest nodes have answered."""
        if self._draining:
            turn.emit(RecordStored(token, 0))
            return
        try:
            record = self._sign(turn, realm, kind, name, value)
        except ArgumentError as error:
            turn.emit(Trace("dht.publish.refused", {"name": name, "reason": str(error)}))
            turn.emit(RecordStored(token, 0))
            return
        self._keep(turn, record, token)

    def publish_signed(self, turn: Turn, record: Record) -> None:
        """Publish a record that was signed elsewhere: this node's peer record."""
        own = self._own.get(record.key)
        if self._draining or (own and own.record.seq >= record.seq):
            return
        self._last_seq = max(self._last_seq, record.seq)
        self._keep(turn, record, None)

    def withdraw(self, turn: Turn, realm: str, kind: Kind, name: str, token: int) -> None:
        """Replace a record by a tombstone, at its holders and at the nodes that are closest now."""
        own = self._own.get(record_key(realm, kind, name))
        if own is None or own.record.is_tombstone or self._draining:
            turn.emit(RecordStored(token, 0))
            return
        own.record = self._sign(turn, realm, kind, name, None)
        self._start(turn, own, token)

    def drain(self, turn: Turn) -> None:
        """Withdraw everything from its known holders at once, and publish nothing any more."""
        self._draining = True
        for own in self._own.values():
            if not own.record.is_tombstone:
                own.record = self._sign(turn, own.record.realm, own.record.kind, own.record.name, None)
                self._stores.put(turn, own.holders.values(), own.record, _ignore)
        for key in self._own:
            self._timers.cancel((Due.PUBLISH, key))
        self._stores.flush_all(turn)

    def publish_all(self, turn: Turn) -> None:
        """Publish every record again, because there are nodes now."""
        for own in self._own.values():
            if not own.record.is_tombstone and not self._draining:
                self._start(turn, own, None)

    def renew_all(self, turn: Turn) -> None:
        """Sign every record again and publish it, but for the peer record, which is signed elsewhere."""
        for own in self._own.values():
            record = own.record
            if not record.is_tombstone and record.kind is not Kind.PEER and not self._draining:
                own.record = self._sign(turn, record.realm, record.kind, record.name, record.value)
                self._start(turn, own, None)

    def due(self, turn: Turn, key: bytes) -> None:
        """The timer of a record: renew it and those that are due soon, or forget a tombstone that has expired."""
        if self._due.get(key, float("inf")) > turn.now:
            return  # was renewed or forgotten together with another
        horizon = turn.now + 0.1 * self._own[key].record.ttl
        soon = [each for each, at in self._due.items() if each == key or at <= horizon]
        for each in soon:
            own = self._own[each]
            if own.record.is_tombstone:
                if own.record.expires <= turn.wall:
                    del self._own[each], self._due[each]
                    self._timers.cancel((Due.PUBLISH, each))
                elif each == key:
                    self._set_due(turn, each, own.record.expires - turn.wall)
                continue
            if own.record.kind is not Kind.PEER:
                record = own.record
                own.record = self._sign(turn, record.realm, record.kind, record.name, record.value)
            self._start(turn, own, None)

    def newcomer(self, turn: Turn, info: PeerInfo) -> None:
        """A node has become a contact: it gets the records that it should hold, without waiting for their renewal."""
        left = self._settings.handover_records
        for key, own in self._own.items():
            record = own.record
            if (
                info.node in own.holders
                or record.is_tombstone
                or (record.realm and not serves(info.realms, record.realm))
            ):
                continue
            distance = self._position(info.node) ^ key_position(key)
            if own.radius is None or distance < own.radius:
                self._stores.put(turn, (info,), record, partial(self._answered, own, record))
                left -= 1
                if not left:
                    return

    def observe(self, turn: Turn, record: Record) -> None:
        """A record of this node was seen at another: if it is newer than ours, ours is signed above it again."""
        own = self._own.get(record.key)
        if own is None or record.seq <= own.record.seq or record.kind is Kind.PEER or self._draining:
            return
        self._last_seq = max(self._last_seq, record.seq)
        own.record = self._sign(turn, record.realm, record.kind, record.name, own.record.value)
        self._start(turn, own, None)

    def _sign(self, turn: Turn, realm: str, kind: Kind, name: str, value: Value) -> Record:
        seq = max(int(turn.wall * 1000), self._last_seq + 1)
        record = sign_record(self._identity, realm, kind, name, value, wall=turn.wall, ttl=self._settings.ttl, seq=seq)
        self._last_seq = seq
        return record

    def _keep(self, turn: Turn, record: Record, token: int | None) -> None:
        own = self._own.setdefault(record.key, _Own(record))
        own.record = record
        self._start(turn, own, token)

    def _start(self, turn: Turn, own: _Own, token: int | None) -> None:
        record = own.record
        key = record.key
        renew = record.ttl / 2 * self._rng.uniform(0.8, 1.0)
        self._set_due(turn, key, record.ttl if record.is_tombstone else renew)
        spread = _Spread(key, record, token)
        target, realm = key_position(key), record.realm or None
        everybody = self._census.everybody(turn, realm)
        if everybody is not None:
            self._found(turn, spread, everybody)
            return

        def done(turn: Turn, search: Search) -> None:
            self._census.take(turn, realm, search.closest)
            self._found(turn, spread, search.closest)

        self._lookups.start(turn, Search(target=target, realm=realm, done=done))

    def _found(self, turn: Turn, spread: _Spread, closest: tuple[PeerInfo, ...]) -> None:
        """The k closest nodes are known: store there, a tombstone also at those that hold the record."""
        own = self._own.get(spread.key)
        targets = {info.node: info for info in closest}
        if own is None or own.record is not spread.record or (self._draining and not spread.record.is_tombstone):
            targets = {}
        elif spread.record.is_tombstone:
            targets |= own.holders
        else:
            own.holders = {}
            own.radius = None
            if len(closest) >= self._settings.k:
                own.radius = self._position(closest[-1].node) ^ key_position(spread.key)
        spread.awaited = dict.fromkeys(targets)
        self._stores.put(turn, targets.values(), spread.record, partial(self._stored, spread))
        if not targets:
            self._finish(turn, spread)

    def _stored(self, spread: _Spread, turn: Turn, info: PeerInfo, code: str) -> None:
        own = self._own.get(spread.key)
        if own and own.record is spread.record:
            self._answered(own, spread.record, turn, info, code)
        if info.node not in spread.awaited:
            return
        del spread.awaited[info.node]
        spread.stored += code in (codes.STORED, codes.UNCHANGED)
        if not spread.awaited:
            self._finish(turn, spread)

    def _finish(self, turn: Turn, spread: _Spread) -> None:
        own = self._own.get(spread.key)
        if spread.token is not None:
            turn.emit(RecordStored(spread.token, spread.stored))
        current = own is not None and own.record is spread.record and not spread.record.is_tombstone
        if current and not spread.stored and not self._draining:
            self._set_due(turn, spread.key, self._settings.publish_retry * self._rng.uniform(1.0, 2.0))

    def _answered(self, own: _Own, record: Record, turn: Turn, info: PeerInfo, code: str) -> None:
        """Notes how a node answered for a record."""
        if code in (codes.STORED, codes.UNCHANGED):
            own.holders[info.node] = info
        elif code == codes.STALE and own.record is record and not self._draining:
            self._resync(turn, record)
        elif code:
            turn.refuse("dht.store.refused", info.node, code)

    def _set_due(self, turn: Turn, key: bytes, after: float) -> None:
        self._due[key] = turn.now + after
        self._timers.set((Due.PUBLISH, key), turn.now + after)


def _ignore(turn: Turn, info: PeerInfo, code: str) -> None:
    """Nothing follows from how a withdrawal at shutdown was answered."""
