"""What commands are completed with."""

from __future__ import annotations

from msgspec import Struct

from macula.core.address import Address
from macula.core.peer_record import RelayPlace
from macula.core.record import Record
from macula.identity import NodeId


class CallResult(Struct, frozen=True, gc=False):
    """The encoded value a provider returned, which one it was, and the nodes that forwarded the call (none: direct)."""

    value: bytes
    provider: NodeId
    hops: tuple[NodeId, ...]
    latency: float


class PublishResult(Struct, frozen=True, gc=False):
    """Who got the event (QoS 1: who acknowledged it, QoS 0: to whom it was sent), and who did not, with the code."""

    delivered: tuple[NodeId, ...]
    failed: dict[NodeId, str]


class DhtStatistics(Struct, frozen=True, gc=False):
    """Contacts in the routing table, buckets in use, keys under which this node keeps records of others or its own
    (tombstones do not count)."""

    nodes: int
    buckets: int
    stored_keys: int


class LookupResult(Struct, frozen=True, gc=False):
    """The live records under a key, the nodes that returned them, and the k closest nodes found, nearest first."""

    key: bytes
    records: tuple[Record, ...]
    holders: tuple[NodeId, ...]
    closest: tuple[NodeId, ...]


class PeerStatus(Struct, frozen=True, gc=False):
    """A connected peer as the engine knows it; the transport adds path, RTT and bytes."""

    node_id: NodeId
    name: str
    mode: str
    inbound: bool
    since: float
    clock: float = 0.0
    """By how many seconds at least this node's wall clock is ahead of the peer's, negative: behind; 0 if the record in
    the peer's hello gives no reason to think so."""
    suspect: bool = False
    """Whether it has not answered for a while: it may be dead, or its path."""
    capabilities: tuple[str, ...] = ()
    """What its hello says that it does for others; words of newer versions are among them."""


class BootstrapStatus(Struct, frozen=True, gc=False):
    """One configured bootstrap: the node behind it while it is connected, else why the last attempt failed."""

    address: Address
    peer: NodeId | None
    attempts: int
    """in a row that failed"""
    code: str = ""
    """as of core.events.DialFailed"""
    reason: str = ""


class PoolStatistics(Struct, frozen=True, gc=False):
    """Connections held, how often one was there when asked for, and `hits / (hits + misses)`, 0.0 to 1.0."""

    size: int
    hits: int
    misses: int
    hit_rate: float


class Load(Struct, frozen=True, gc=False):
    """What is under way: this node's calls, handlers of calls that came in, events that are not settled, and messages
    that wait for a connection or a blocked lane."""

    calls: int = 0
    handlers: int = 0
    publications: int = 0
    queued: int = 0


class NodeStatus(Struct, frozen=True, gc=False):
    """A snapshot of the engine."""

    ready: bool
    peers: tuple[PeerStatus, ...]
    dht: DhtStatistics
    pool: PoolStatistics
    procedures: tuple[str, ...] = ()
    subscriptions: tuple[str, ...] = ()
    relays: tuple[RelayPlace, ...] = ()
    """Through which this node says that it can be reached."""
    nat: str = ""
    """What this node is behind, in a few words; empty while that is not known."""
    bootstraps: tuple[BootstrapStatus, ...] = ()
    load: Load = Load()
    clock_held: float = 0.0
    """Seconds by which the host's clock is ahead of the time that the node uses; 0 while it follows it."""
