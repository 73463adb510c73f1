"""Runs lookups: sends their queries, feeds them the answers, and tells when they have ended."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from macula.core.effects import Trace
from macula.core.limits import Limit, met
from macula.core.peer_record import PeerInfo
from macula.dht.contacts import Contacts
from macula.dht.findings import Findings
from macula.dht.keyspace import Position, position, to_key
from macula.dht.leads import Leads
from macula.dht.lookup import Lookup
from macula.dht.queries import Queries, Reply
from macula.dht.routing import RoutingTable
from macula.dht.settings import DhtSettings
from macula.dht.turn import Due, DueTimers, Turn
from macula.dht.verifier import Verifier
from macula.errors import ProtocolError
from macula.identity import NodeId
from macula.identity.realms import common_realm, serves
from macula.wire.fields import MAX_KNOWN
from macula.wire.messages import FindNode, FindNodeReply, FindValue, FindValueReply

Done = Callable[[Turn, "Search"], None]


@dataclass(slots=True, kw_only=True)
class Search:
    """A lookup to run: what for, and what came of it.

    `realm` None asks nodes of any realm of ours. With `findings`, records are collected. `seeds` are asked first
    instead of the routing table's closest contacts; `width` replaces k.
    """

    target: int
    realm: str | None
    done: Done
    findings: Findings | None = None
    seeds: Sequence[PeerInfo] = ()
    width: int | None = None
    lookup: Lookup | None = None
    leads: Leads | None = None
    started: float = 0.0
    ended: bool = False
    pages: dict[NodeId, int] = field(default_factory=dict)

    @property
    def closest(self) -> tuple[PeerInfo, ...]:
        """The closest nodes that have answered, nearest first."""
        return self.lookup.closest() if self.lookup else ()

    @property
    def nearest(self) -> tuple[PeerInfo, ...]:
        """The closest nodes that it knows so far: nobody need send it their records."""
        return self.lookup.candidates(MAX_KNOWN) if self.lookup else ()


class Lookups:
    """At most `max_lookups` run at once; the others wait their turn, and over a bound end without having begun."""

    def __init__(
        self,
        settings: DhtSettings,
        realms: tuple[str, ...],
        timers: DueTimers,
        table: RoutingTable,
        contacts: Contacts,
        queries: Queries,
        verifier: Verifier,
        position: Position = position,
    ) -> None:
        self._settings = settings
        self._realms = realms
        self._timers = timers
        self._table = table
        self._contacts = contacts
        self._queries = queries
        self._verifier = verifier
        self._position = position
        self._running: dict[int, Search] = {}
        self._waiting: deque[Search] = deque()
        self._count = 0
        self._beginning = False

    def start(self, turn: Turn, search: Search) -> None:
        """Run a search, now or later. Its `done` is called exactly once, at once if there is nobody to ask."""
        if len(self._waiting) < self._settings.max_waiting_lookups:
            self._waiting.append(search)
            self._begin_waiting(turn)
            if self._waiting and not self._beginning:
                turn.emit(met(Limit.LOOKUPS))
        else:
            turn.emit(met(Limit.LOOKUPS))
            turn.emit(Trace("dht.lookup.refused", {"waiting": len(self._waiting)}, limit="dht.lookup.refused"))
            search.ended = True
            search.done(turn, search)

    def timed_out(self, turn: Turn, number: int) -> None:
        """A search has taken too long: it ends with what it has."""
        search = self._running.get(number)
        if search:
            turn.emit(met(Limit.LOOKUPS))
            self._end(turn, number, search)

    def _begin_waiting(self, turn: Turn) -> None:
        # A search that nobody can be asked for ends at once and may start another: a loop, lest the stack grow.
        if self._beginning:
            return
        self._beginning = True
        while self._waiting and len(self._running) < self._settings.max_lookups:
            self._begin(turn, self._waiting.popleft())
        self._beginning = False

    def _begin(self, turn: Turn, search: Search) -> None:
        self._count += 1
        width = search.width or self._settings.k
        search.started = turn.now
        self._table.touch(search.target, turn.now)
        search.leads = Leads(self._settings, self._contacts, self._queries, self._table)
        search.lookup = Lookup(
            search.target,
            search.seeds or self._table.closest(search.target, width, lambda info: self._usable(turn, search, info)),
            k=width,
            alpha=self._settings.alpha,
            most_queries=self._settings.lookup_queries,
            position=self._position,
        )
        self._running[self._count] = search
        self._timers.set((Due.LOOKUP, self._count), turn.now + self._settings.lookup_timeout)
        self._go_on(turn, self._count, search)

    def _usable(self, turn: Turn, search: Search, info: PeerInfo) -> bool:
        in_realm = search.realm is None or serves(info.realms, search.realm)
        return in_realm and not self._contacts.is_failing(info.node, turn.now)

    def _go_on(self, turn: Turn, number: int, search: Search) -> None:
        lookup, leads = search.lookup, search.leads
        if search.ended or lookup is None or leads is None:
            return
        self._ask_next(turn, number, search, lookup, leads)
        if lookup.finished and lookup.has_put_aside:
            if not leads.have_others(lookup.closest(), turn.now):
                leads.take_all()
            lookup.reconsider()
            self._ask_next(turn, number, search, lookup, leads)
        if lookup.finished:
            self._end(turn, number, search)

    def _ask_next(self, turn: Turn, number: int, search: Search, lookup: Lookup, leads: Leads) -> None:
        while (info := lookup.next_query()) is not None:
            if self._contacts.is_failing(info.node, turn.now) or leads.is_in_vain(info):
                lookup.failed(info.node)  # since it became a candidate of this lookup
            elif leads.is_doubtful(info.node, turn.now):
                lookup.put_aside(info.node)
            else:
                leads.asked(info.node)
                self._ask(turn, number, search, info, b"")

    def _is_cut_short(self, search: Search, lookup: Lookup) -> bool:
        full = search.findings is not None and search.findings.full
        left_out = lookup.has_put_aside or (search.leads is not None and search.leads.were_in_vain)
        return full or left_out or lookup.queries >= self._settings.lookup_queries

    def _ask(self, turn: Turn, number: int, search: Search, info: PeerInfo, after: bytes) -> None:
        realm = search.realm or common_realm(self._realms, info.realms) or ""
        key = to_key(search.target)
        known = {each.record.tag: each for each in search.nearest} if not after else {}

        def build(request: int) -> FindNode | FindValue:
            if search.findings is None:
                return FindNode(realm, request, key, tuple(known))
            return FindValue(realm, request, key, after, tuple(known))

        def failed(turn: Turn) -> None:
            if search.lookup and search.leads:
                search.lookup.failed(info.node)
                search.leads.failed(info, turn.now)
            self._go_on(turn, number, search)

        def stalled(turn: Turn) -> None:
            if search.lookup:
                search.lookup.stalled(info.node)
            self._go_on(turn, number, search)

        self._queries.ask(
            turn,
            info,
            build,
            lambda turn, reply: self._answered(turn, number, search, info, after, known, reply),
            failed,
            # One that others invented keeps its place: or a lie would have many asked before the first is found out.
            stalled if search.leads and search.leads.is_met(info.node) else None,
        )

    def _answered(
        self,
        turn: Turn,
        number: int,
        search: Search,
        info: PeerInfo,
        after: bytes,
        known: dict[bytes, PeerInfo],
        reply: Reply,
    ) -> None:
        lookup, leads = search.lookup, search.leads
        if lookup is None or leads is None or not isinstance(reply, FindNodeReply | FindValueReply):
            return
        leads.answered(info.node)
        contacts = self._contacts.read(turn, info.node, reply.nodes)
        if search.ended:
            return
        usable = [contact for contact in contacts if self._usable(turn, search, contact)]
        usable += [known[tag] for tag in reply.known if tag in known]
        leads.named(info.node, usable, turn.now)
        lookup.add(usable)
        if isinstance(reply, FindValueReply) and search.findings:
            last = self._collect(turn, search, search.findings, info.node, reply.records)
            if reply.more and last is not None and last > after:
                search.pages[info.node] = search.pages.get(info.node, 1) + 1
                if search.pages[info.node] <= self._settings.max_pages:
                    self._ask(turn, number, search, info, last)
                    return
            elif not reply.more:
                search.findings.completed(info.node)
        lookup.answered(info.node)
        self._go_on(turn, number, search)

    def _collect(
        self, turn: Turn, search: Search, findings: Findings, holder: NodeId, records: tuple[bytes, ...]
    ) -> NodeId | None:
        """Adds the good records of a page and returns the highest node id among them."""
        last: NodeId | None = None
        refused = ""
        for encoded in records:
            try:
                record = self._verifier.record(encoded)
            except ProtocolError as error:
                refused = str(error)
                continue
            if record.expires <= turn.wall or record.not_before > turn.wall + self._settings.clock_skew:
                refused = f"record of {record.node.short} is not valid now"
            elif record.ttl > self._settings.max_ttl:
                refused = f"record of {record.node.short} has a ttl of {record.ttl} s"
            elif not findings.add(record, holder):
                refused = f"record of {record.node.short} does not belong to the key"
                continue
            last = record.node if last is None else max(last, record.node)
        if refused:
            turn.refuse("dht.record.refused", holder, refused)
        return last

    def _end(self, turn: Turn, number: int, search: Search) -> None:
        search.ended = True
        del self._running[number]
        self._timers.cancel((Due.LOOKUP, number))
        if search.lookup and search.lookup.queries:
            if self._is_cut_short(search, search.lookup):
                turn.emit(met(Limit.LOOKUPS))
            turn.emit(
                Trace(
                    "dht.lookup.stop",
                    {
                        "kind": "node" if search.findings is None else "value",
                        "queries": search.lookup.queries,
                        "failures": search.lookup.failures,
                        "seconds": turn.now - search.started,
                    },
                )
            )
        search.done(turn, search)
        self._begin_waiting(turn)
