"""Metrics that are read from a node's status when somebody asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client.core import Metric

from macula.runtime.metrics import families as of
from macula.runtime.metrics.tallies import sample


def sampled(status: Mapping[str, Any]) -> Iterator[Metric]:
    """`status` is what `macula status --json` prints."""
    relaying, handshakes, tunnels = (status[part] for part in ("relaying", "handshakes", "tunnels"))
    dht, pool, load = (status[part] for part in ("dht", "pool", "load"))
    yield sample(of.NODE, {(status["mode"], status["version"]): 1})
    # A path that nobody takes is worth a 0: its last value would stand for ever.
    peers = Counter[tuple[str, ...]](
        {(path, carrier): 0 for path in ("direct", "relayed") for carrier in ("udp", "tcp")}
    )
    peers.update((peer["path"] or "none", peer["carrier"] or "none") for peer in status["peers"])
    yield sample(of.PEERS, peers)
    left = status["certificate_s"]
    yield sample(of.CERTIFICATE, {} if left is None else {(): left})
    yield sample(of.POOL_USES, {("hit",): pool["hits"], ("miss",): pool["misses"]})
    yield sample(of.TUNNELS, {(direction,): tunnels[direction] for direction in ("inbound", "outbound")})
    yield sample(of.RELAY_DROPPED, _by_reason(relaying["dropped"]))
    yield sample(of.HANDSHAKE_REFUSED, _by_reason(handshakes["refused"]))
    yield sample(of.TUNNEL_REFUSED, _by_reason(tunnels["refused"]))
    for family, value in {
        of.READY: status["ready"],
        of.UPTIME: status["uptime_s"],
        of.SUSPECTS: sum(peer["suspect"] for peer in status["peers"]),
        of.CALLS_NOW: load["calls"],
        of.HANDLERS_NOW: load["handlers"],
        of.PUBLICATIONS_NOW: load["publications"],
        of.QUEUED_NOW: load["queued"],
        of.UNREAD_NOW: status["unread_bytes"],
        of.CONTACTS: dht["nodes"],
        of.BUCKETS: dht["buckets"],
        of.KEYS: dht["stored_keys"],
        of.RELAY_SESSIONS: relaying["sessions"],
        of.RELAY_DATAGRAMS: relaying["datagrams"],
        of.RELAY_BYTES: relaying["bytes"],
        of.HANDSHAKES: handshakes["under_way"],
        of.TUNNEL_DROPPED: tunnels["dropped"],
    }.items():
        yield sample(family, {(): float(value)})


def _by_reason(counts: Mapping[str, int]) -> dict[tuple[str, ...], float]:
    return {(reason,): count for reason, count in counts.items()}
