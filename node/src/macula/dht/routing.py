"""The routing table: k-buckets with replacement caches (Kademlia, section 2.4 and 4.1)."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from typing import NamedTuple

from macula.core.peer_record import PeerInfo
from macula.dht.keyspace import BITS, Position, bucket_index, position, prefixes
from macula.identity import NodeId


@dataclass(slots=True)
class Contact:
    """A node in a bucket. `seen` is when it was last heard of, in `now` seconds."""

    info: PeerInfo
    position: int
    prefixes: frozenset[str]
    seen: float


@dataclass(slots=True)
class Bucket:
    """Contacts and those that wait for a place, each with the one heard of longest ago first."""

    contacts: OrderedDict[NodeId, Contact] = field(default_factory=OrderedDict)
    waiting: OrderedDict[NodeId, Contact] = field(default_factory=OrderedDict)
    probed: NodeId | None = None
    touched: float = 0.0


class Seen(NamedTuple):
    """What hearing of a node led to: whether it is a new contact, and who is to be pinged to make room for it."""

    added: bool = False
    probe: PeerInfo | None = None


class RoutingTable:
    """Nodes that serve the DHT and are known to be alive, by the highest bit in which they differ from this node.

    Only tell it of nodes that are connected or have answered. In a full bucket a new node waits; `seen` then names the
    contact heard of longest ago: ping it, and tell `seen` if it answers or `remove` if it does not.
    """

    def __init__(
        self,
        own: int,
        *,
        k: int,
        replacements: int,
        prefix_limit: int,
        probe_after: float,
        position: Position = position,
    ) -> None:
        self._own = own
        self._k = k
        self._replacements = replacements
        self._prefix_limit = prefix_limit
        self._probe_after = probe_after
        self._position = position
        self._buckets: list[Bucket | None] = [None] * BITS
        self._occupied = 0
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __contains__(self, node: NodeId) -> bool:
        bucket = self._bucket(self._position(node))
        return bucket is not None and node in bucket.contacts

    def __iter__(self) -> Iterator[Contact]:
        """All contacts, nearest bucket first."""
        for index in self.indices():
            yield from self.bucket(index).contacts.values()

    def indices(self) -> list[int]:
        """The buckets that have contacts, nearest first."""
        found, left = [], self._occupied
        while left:
            found.append((left & -left).bit_length() - 1)
            left &= left - 1
        return found

    def touch(self, target: int, now: float) -> None:
        """A position is looked up, which refreshes its bucket."""
        bucket = self._bucket(target)
        if bucket:
            bucket.touched = now

    def stalest(self, before: float, most: int) -> int | None:
        """Of the `most` farthest buckets, the one not touched for longest, if that is since `before`."""
        stale = [i for i in self.indices()[-most:] if self.bucket(i).touched <= before]
        return min(stale, key=lambda i: self.bucket(i).touched, default=None)

    def bucket(self, index: int) -> Bucket:
        """A bucket, to be looked at only."""
        return self._buckets[index] or Bucket()

    def seen(self, info: PeerInfo, now: float) -> Seen:
        """A node that serves the DHT was heard of."""
        at = self._position(info.node)
        index = bucket_index(self._own, at)
        if index < 0:
            return Seen()
        bucket = self._buckets[index]
        if bucket is None:
            bucket = self._buckets[index] = Bucket(touched=now)
        if bucket.probed == info.node:
            bucket.probed = None
        for group in (bucket.contacts, bucket.waiting):
            contact = group.get(info.node)
            if contact is None:
                continue
            if self._renewed(bucket, contact, info):
                contact.seen = now
                group.move_to_end(info.node)
            else:
                self.remove(info.node)
            return Seen() if group is bucket.contacts else self._probe(bucket, now)
        networks = prefixes(info)
        if not self._is_diverse(bucket, networks):
            return Seen()
        contact = Contact(info, at, networks, now)
        if len(bucket.contacts) < self._k:
            self._add(bucket, index, contact)
            return Seen(added=True)
        bucket.waiting[info.node] = contact
        if len(bucket.waiting) > self._replacements:
            bucket.waiting.popitem(last=False)
        return self._probe(bucket, now)

    def renew(self, info: PeerInfo) -> None:
        """A newer record of a node was seen: a contact takes it over, without counting as heard of."""
        bucket = self._bucket(self._position(info.node))
        if bucket is None:
            return
        contact = bucket.contacts.get(info.node) or bucket.waiting.get(info.node)
        if contact and not (info.reachable and self._renewed(bucket, contact, info)):
            self.remove(info.node)

    def remove(self, node: NodeId) -> None:
        """Forget a node; whoever of those waiting was heard of last takes its place."""
        at = self._position(node)
        bucket = self._bucket(at)
        if bucket is None:
            return
        if bucket.probed == node:
            bucket.probed = None
        bucket.waiting.pop(node, None)
        if bucket.contacts.pop(node, None) is None:
            return
        self._size -= 1
        index = bucket_index(self._own, at)
        if bucket.waiting:
            self._add(bucket, index, bucket.waiting.popitem()[1])
        elif not bucket.contacts:
            self._buckets[index] = None
            self._occupied &= ~(1 << index)

    def closest(self, target: int, count: int, accept: Callable[[PeerInfo], bool]) -> list[PeerInfo]:
        """The `count` accepted contacts closest to a position, nearest first.

        With d the distance from here to the target, buckets whose bit is set in d are nearer to the target than this
        node, the highest first; then come the others, the lowest first. So only buckets that are needed are sorted.
        """
        found: list[PeerInfo] = []
        toward = self._own ^ target
        near, far = self._occupied & toward, self._occupied & ~toward
        while (near or far) and len(found) < count:
            if near:
                index = near.bit_length() - 1
                near ^= 1 << index
            else:
                index = (far & -far).bit_length() - 1
                far ^= 1 << index
            members = self.bucket(index).contacts.values()
            accepted = [(contact.position ^ target, contact.info) for contact in members if accept(contact.info)]
            accepted.sort(key=itemgetter(0))
            found += [info for _, info in accepted]
        return found[:count]

    def _bucket(self, at: int) -> Bucket | None:
        index = bucket_index(self._own, at)
        return self._buckets[index] if index >= 0 else None

    def _add(self, bucket: Bucket, index: int, contact: Contact) -> None:
        bucket.contacts[contact.info.node] = contact
        self._occupied |= 1 << index
        self._size += 1

    def _renewed(self, bucket: Bucket, contact: Contact, info: PeerInfo) -> bool:
        """Takes the record over if it is newer; False if the node's new addresses crowd the bucket."""
        if info.record.seq > contact.info.record.seq:
            if info.addresses != contact.info.addresses:
                networks = prefixes(info)
                if not self._is_diverse(bucket, networks - contact.prefixes):
                    return False
                contact.prefixes = networks
            contact.info = info
        return True

    def _is_diverse(self, bucket: Bucket, networks: frozenset[str]) -> bool:
        if not networks:
            return True
        counts = Counter(
            network
            for group in (bucket.contacts, bucket.waiting)
            for contact in group.values()
            for network in contact.prefixes
        )
        return all(counts[network] < self._prefix_limit for network in sorted(networks))

    def _probe(self, bucket: Bucket, now: float) -> Seen:
        if bucket.probed is not None or not bucket.contacts:
            return Seen()
        oldest = next(iter(bucket.contacts.values()))
        if now - oldest.seen < self._probe_after:
            return Seen()
        bucket.probed = oldest.info.node
        return Seen(probe=oldest.info)
