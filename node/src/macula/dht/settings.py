"""The settings of the DHT."""

from __future__ import annotations

from dataclasses import dataclass, fields

from macula.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class DhtSettings:
    """Every number has a default that suits meshes of five to ten thousand nodes. Times are seconds.

    Raises ConfigError for a number that is not positive (`alpha` and the like) or does not fit a message.
    """

    k: int = 20
    """Contacts in a bucket, and nodes that keep a record. At most 31: an answer carries k contacts and the answerer."""

    alpha: int = 3
    """Queries that a lookup has in flight. More finds faster and sends more."""

    replacements: int = 20
    """Contacts that wait for a place in a full bucket."""

    prefix_limit: int = 2
    """Contacts of a bucket (with those waiting) in one /24 of globally routable IPv4, or one /56 of IPv6."""

    query_timeout: float = 2.0
    """How long a peer has to answer before it counts as failed for the lookup that asked."""

    stalled_after: float = 0.5
    """How long a peer that this node has met keeps one of the `alpha` places of a lookup without having answered. It is
    waited for as long as others; but where many have just died, they are waited for together."""

    late_answer: float = 8.0
    """For how long after `query_timeout` an answer still counts."""

    lookup_timeout: float = 15.0
    """When a lookup ends with what it has. Several times `query_timeout`, so that dead peers do not end it."""

    lookup_queries: int = 128
    """Most peers that one lookup asks: what an attacker that invents ever closer contacts can make it send."""

    max_silent: int = 2
    """Nodes at one host that did not answer a lookup, after which it seeks no others there, but those connected."""

    max_misled: int = 4
    """Nodes in a row that a contact named in vain, after which what it names is asked last for `avoid_time`."""

    max_lookups: int = 32
    """Lookups running at once; more wait."""

    max_waiting_lookups: int = 1024
    """Lookups that wait; one more ends at once without having asked anybody."""

    max_failures: int = 2
    """Unanswered queries in a row after which a contact is replaced, and left out of lookups for `avoid_time`."""

    avoid_time: float = 60.0
    """How long a failing node is left out of lookups, unless it connects or answers before."""

    ttl: int = 300
    """How long records of this node live; renewed at half of it."""

    max_ttl: int = 86400
    """Longest life of a record that this node keeps for others."""

    clock_skew: float = 300.0
    """By how much a record may begin in the future."""

    publisher_quota: int = 1024
    """Records kept of one node."""

    storer_quota: int = 4096
    """Records kept that one peer brought, its own included."""

    total_quota: int = 32768
    """Records kept in all, of at most 1 KiB each."""

    record_rate: float = 1000.0
    """Records per second that one peer may bring in the long run, beside as many as are kept of it at once; more are
    refused unread. A signature takes a tenth of a millisecond to check."""

    page_size: int = 32
    """Records in one answer. At most 64."""

    max_pages: int = 32
    """Pages that are read from one holder."""

    max_records: int = 2048
    """Records that one lookup collects."""

    cache_keys: int = 1024
    """Keys in the read cache."""

    cache_records: int = 16384
    """Records in the read cache, of at most 1 KiB each."""

    peer_max_age: float = 30.0
    """How old a cached peer record may be that answers FindPeer."""

    verified_records: int = 8192
    """Records remembered as verified, so that a signature is checked once."""

    max_contacts: int = 4096
    """Nodes whose newest peer record and failures are remembered."""

    closest_fresh: float = 60.0
    """For how long the closest nodes of a key that a full lookup found are asked directly, and a mesh of fewer than k
    nodes that one found is taken for the whole."""

    refresh_width: int = 3
    """How many of these are asked."""

    repair_interval: float = 10.0
    """Least time between two repairs of one key."""

    repair_holders: int = 4
    """Holders repaired after one read."""

    repair_records: int = 64
    """Records stored at each of them."""

    store_batch: int = 64
    """Records in one Store. At most 64."""

    store_delay: float = 0.02
    """How long records for the same node are gathered before they are sent together."""

    publish_retry: float = 5.0
    """When a record that no node took is published again."""

    handover_records: int = 256
    """Records of this node that are stored at once at a node that has just become a contact."""

    self_lookup_interval: float = 600.0
    """Time between two lookups of this node's own position, with jitter."""

    join_retry: float = 5.0
    """When a join that nobody answered is tried again."""

    refresh_interval: float = 3600.0
    """After how long a bucket in whose range nothing was looked up is refreshed."""

    max_refreshes: int = 16
    """Buckets, the farthest first, that are refreshed. The self-lookup covers nearer ones up to k * 2^16 nodes."""

    maintenance_interval: float = 60.0
    """Time between two looks for stale buckets and for contacts whose record is about to expire, with jitter."""

    probe_after: float = 60.0
    """A contact that was heard of within this time is not pinged to make room."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) <= 0:
                raise ConfigError(f"dht.{field.name}", "must be greater than 0")
        for name, most in (("k", 31), ("page_size", 64), ("store_batch", 64)):
            if getattr(self, name) > most:
                raise ConfigError(f"dht.{name}", f"must be at most {most}, is {getattr(self, name)}")
        if self.ttl > self.max_ttl:
            raise ConfigError("dht.ttl", f"must be at most max_ttl ({self.max_ttl} s), is {self.ttl}")
