"""What the answers to a lookup say of nodes, and how far it is believed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from macula.core.peer_record import PeerInfo
from macula.dht.contacts import Contacts
from macula.dht.queries import Queries
from macula.dht.routing import RoutingTable
from macula.dht.settings import DhtSettings
from macula.identity import NodeId


class Leads:
    """The nodes that one lookup was told of, by whom, and at which hosts it sought them in vain.

    Whoever answers a lookup can invent any number of nodes, make it wait for each, and have it dial hosts that know
    nothing of it. So at a host where nobody was, no others are sought; and how often a contact named a node in vain is
    counted (`Contacts.misled`): what only such contacts name is put aside while others have answered.
    """

    def __init__(self, settings: DhtSettings, contacts: Contacts, queries: Queries, table: RoutingTable) -> None:
        self._most_silent = settings.max_silent
        self._contacts = contacts
        self._queries = queries
        self._table = table
        self._silent: Counter[str] = Counter()
        self._namers: dict[NodeId, NodeId] = {}
        self._sought: dict[NodeId, NodeId] = {}
        self._are_all_taken = False

    def named(self, namer: NodeId, nodes: Iterable[PeerInfo], now: float) -> None:
        """A contact has answered with these; the first credible one stands for what it names."""
        for info in nodes:
            first = self._namers.get(info.node)
            if first is None or self._contacts.is_doubtful(first, now):
                self._namers[info.node] = namer

    def is_in_vain(self, info: PeerInfo) -> bool:
        """Whether others were sought at the hosts of this node, and none was there."""
        if self._queries.is_connected(info.node):
            return False
        return any(self._silent[address.host] >= self._most_silent for address in info.addresses)

    @property
    def were_in_vain(self) -> bool:
        """Whether there is a host at which nobody is sought any more."""
        return any(count >= self._most_silent for count in self._silent.values())

    def is_doubtful(self, node: NodeId, now: float) -> bool:
        """Whether others are to be asked first."""
        namer = self._namer(node)
        return namer is not None and not self._are_all_taken and self._contacts.is_doubtful(namer, now)

    def is_met(self, node: NodeId) -> bool:
        """Whether this node knows of it not from others alone."""
        return self._queries.is_connected(node) or node in self._table

    def have_others(self, answered: Iterable[PeerInfo], now: float) -> bool:
        """Whether among those that have answered is one whose word counts."""
        return not all(self._contacts.is_doubtful(info.node, now) for info in answered)

    def take_all(self) -> None:
        """There is nobody else: nothing is doubtful any more."""
        self._are_all_taken = True

    def asked(self, node: NodeId) -> None:
        """A node is asked: tell `answered` or `failed`, or first this and then that, what came of it."""
        namer = self._namer(node)
        if namer is not None:
            self._sought[node] = namer

    def answered(self, node: NodeId) -> None:
        """It is there."""
        namer = self._sought.pop(node, None)
        if namer is not None:
            self._contacts.led(namer)

    def failed(self, info: PeerInfo, now: float) -> None:
        """It did not answer in time, or cannot be reached."""
        self._silent.update({address.host for address in info.addresses})
        namer = self._sought.get(info.node)
        if namer is not None:
            self._contacts.misled(namer, now)

    def _namer(self, node: NodeId) -> NodeId | None:
        """Who stands for a node: nobody for one that this node has met itself."""
        namer = self._namers.get(node)
        return None if namer is None or self.is_met(node) else namer
