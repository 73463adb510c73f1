"""Who subscribes what: each topic's list of subscriber nodes, filled from the DHT.

A list is as old as the lookup that filled it was when it *began*: what was subscribed before that is in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from macula.core.effects import Trace
from macula.core.limits import Limit, met
from macula.core.record import Kind, Record
from macula.core.requests import FindRecords, RecordsFound
from macula.core.service import Action
from macula.errors import ArgumentError
from macula.identity import NodeId
from macula.pubsub.pattern import Segments, parse_pattern, prefixes
from macula.pubsub.settings import PubSubSettings


@dataclass(slots=True)
class Listing:
    """The subscriber nodes of one topic, as of `asked` (in `now` seconds; -inf: never)."""

    topic: str
    segments: Segments
    asked: float = -math.inf
    nodes: dict[NodeId, None] = field(default_factory=dict)
    asking: float = 0.0
    pending: dict[int, None] = field(default_factory=dict)
    found: dict[NodeId, None] = field(default_factory=dict)


class Directory:
    """Refreshes listings. Bounded by the listings its owner keeps: `forget` the ones it drops."""

    def __init__(
        self,
        settings: PubSubSettings,
        node_id: NodeId,
        realm: str,
        tokens: Iterator[int],
        emit: Callable[[Action], None],
    ) -> None:
        self._settings = settings
        self._node_id = node_id
        self._realm = realm
        self._tokens = tokens
        self._emit = emit
        self._asked: dict[int, Listing] = {}
        self._connected: dict[NodeId, None] = {}

    def peer_up(self, node: NodeId) -> None:
        """The node is connected."""
        self._connected[node] = None

    def peer_down(self, node: NodeId) -> None:
        """It is not any more."""
        self._connected.pop(node, None)

    def refresh(self, listing: Listing, now: float) -> None:
        """Look the topic's subscribers up again if the list is old and no lookup is running."""
        if listing.pending or now - listing.asked < self._settings.directory_refresh:
            return
        listing.asking = now
        listing.found = {}
        for prefix in prefixes(listing.segments):
            token = next(self._tokens)
            listing.pending[token] = None
            self._asked[token] = listing
            self._emit(FindRecords(token, self._realm, Kind.TOPIC, prefix, self._settings.directory_shared_age))

    def found(self, event: RecordsFound) -> Listing | None:
        """Take in an answer; the listing if this made it complete."""
        listing = self._asked.pop(event.token, None)
        if listing is None:
            return None
        del listing.pending[event.token]
        for record in event.records:
            if record.node != self._node_id and self._matches(record, listing):
                listing.found[record.node] = None
        if listing.pending:
            return None
        # Who is connected exists: nobody can push them out by subscribing for nodes that he invents.
        kept = sorted(listing.found, key=lambda node: (node not in self._connected, node))
        kept = kept[: self._settings.max_subscribers]
        if len(kept) < len(listing.found):
            fields = {"topic": listing.topic, "subscribers": len(listing.found), "kept": len(kept)}
            self._emit(met(Limit.SUBSCRIBERS))
            self._emit(Trace("publish.truncated", fields, limit=f"publish.truncated {listing.topic}"))
        listing.nodes, listing.found = dict.fromkeys(kept), {}
        listing.asked = listing.asking
        return listing

    def forget(self, listing: Listing) -> None:
        """Drop what is still expected for a listing."""
        for token in listing.pending:
            del self._asked[token]

    def _matches(self, record: Record, listing: Listing) -> bool:
        """Whether one of the record's patterns matches. The signer is known, the value is whatever it wrote."""
        patterns = record.value.get("patterns") if type(record.value) is dict else None
        if type(patterns) is not list:
            return False
        for text in patterns:
            if type(text) is not str:
                continue
            try:
                pattern = parse_pattern("pattern", text)
            except ArgumentError:
                continue
            if pattern.prefix == record.name and pattern.matches(listing.segments):
                return True
        return False
