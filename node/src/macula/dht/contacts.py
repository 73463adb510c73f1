"""What this node knows of others: their newest verified peer records, who has not answered lately, and who named nodes
that did not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lru import LRU

from macula.core.peer_record import PeerInfo
from macula.core.requests import LearnPeer
from macula.dht.routing import RoutingTable
from macula.dht.settings import DhtSettings
from macula.dht.turn import Turn
from macula.dht.verifier import Verifier
from macula.errors import ProtocolError
from macula.identity import NodeId
from macula.identity.realms import common_realm


@dataclass(slots=True)
class _Known:
    info: PeerInfo
    failures: int = 0
    failed_at: float = 0.0
    misled: int = 0
    misled_at: float = 0.0


class Contacts:
    """The newest peer record of each node seen, bounded.

    The record with the highest sequence wins wherever it came from, so that an old one that somebody hands out
    cannot bring an old address back.
    """

    def __init__(
        self,
        settings: DhtSettings,
        own: NodeId,
        realms: tuple[str, ...],
        verifier: Verifier,
        table: RoutingTable,
    ) -> None:
        self._settings = settings
        self._table = table
        self._own = own
        self._realms = realms
        self._verifier = verifier
        self._known: LRU[NodeId, _Known] = LRU(settings.max_contacts)

    def read(self, turn: Turn, source: NodeId, encoded: Iterable[bytes]) -> list[PeerInfo]:
        """The contacts of an answer that a lookup may ask: verified, alive, reachable and in one of our realms.

        What does not verify is left out and traced; the others are learned, also those that only are clients.
        """
        usable: list[PeerInfo] = []
        refused = ""
        for each in encoded:
            try:
                info = self._verifier.peer(each)
            except ProtocolError as error:
                refused = str(error)
                continue
            if info.node == self._own:
                continue
            known = self._known.get(info.node)
            if known and known.info.record is info.record and info.record.expires > turn.wall:
                if info.reachable:  # the usual case: it was checked before
                    usable.append(info)
            elif common_realm(self._realms, info.realms) is None:
                refused = f"contact {info.node.short} shares no realm"
            elif not info.record.expires > turn.wall >= info.record.not_before - self._settings.clock_skew:
                refused = f"record of contact {info.node.short} is not valid now"
            else:
                info = self.learn(turn, info)
                if info.reachable:
                    usable.append(info)
        if refused:
            turn.refuse("dht.contact.refused", source, refused)
        return usable

    def learn(self, turn: Turn, info: PeerInfo) -> PeerInfo:
        """Remember a verified record, also in the routing table, and return the newest one known of its node."""
        known = self._known.get(info.node)
        if known is None:
            self._known[info.node] = _Known(info)
        elif known.info.record.seq >= info.record.seq:
            return known.info
        else:
            known.info = info
        self._table.renew(info)
        turn.emit(LearnPeer(info))
        return info

    def get(self, node: NodeId) -> PeerInfo | None:
        """The newest record known of a node."""
        known = self._known.get(node)
        return known.info if known else None

    def answered(self, node: NodeId) -> None:
        """The node is alive."""
        known = self._known.get(node)
        if known:
            known.failures = 0

    def failed(self, info: PeerInfo, now: float) -> bool:
        """The node did not answer. Returns whether it has failed too often in a row; queries that were under way at the
        same time and share their fate count once."""
        known = self._known.get(info.node)
        if known is None:
            known = _Known(info)
            self._known[info.node] = known
        if not known.failures or now - known.failed_at >= self._settings.query_timeout / 2:
            known.failures += 1
            known.failed_at = now
        return known.failures >= self._settings.max_failures

    def left(self, node: NodeId, now: float) -> None:
        """The node said that it goes: nothing is asked of it until it answers again or avoid_time has passed."""
        known = self._known.get(node)
        if known is not None:
            known.failures = self._settings.max_failures
            known.failed_at = now

    def is_failing(self, node: NodeId, now: float) -> bool:
        """Whether lookups had better leave the node out for now."""
        known = self._known.get(node)
        return (
            known is not None
            and known.failures >= self._settings.max_failures
            and now - known.failed_at < self._settings.avoid_time
        )

    def misled(self, namer: NodeId, now: float) -> None:
        """A node that only this one named did not answer.

        That may be no fault of the namer's, who heard of it before it went: so it only loses rank, for a while.
        """
        known = self._known.get(namer)
        if known is not None:
            known.misled = known.misled + 1 if now - known.misled_at < self._settings.avoid_time else 1
            known.misled_at = now

    def led(self, namer: NodeId) -> None:
        """A node that this one named has answered."""
        known = self._known.get(namer)
        if known is not None:
            known.misled = 0

    def is_doubtful(self, node: NodeId, now: float) -> bool:
        """Whether the nodes that only this one names had better be asked last."""
        known = self._known.get(node)
        return (
            known is not None
            and known.misled >= self._settings.max_misled
            and now - known.misled_at < self._settings.avoid_time
        )
