"""What a node says of itself, as plain values for JSON."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from msgspec import structs

from macula.core.address import Address
from macula.core.peer_record import read_peer
from macula.core.record import Kind, Record
from macula.core.results import BootstrapStatus, LookupResult, NodeStatus, PeerStatus
from macula.engine import EngineSettings
from macula.errors import ProtocolError
from macula.identity import NodeId
from macula.runtime.keystore import Keystore
from macula.runtime.metrics import Metrics
from macula.runtime.transport import PathStatus, Transport

_LOOKUPS = 16
"""Peer records that are looked up at a time."""

FindPeer = Callable[[NodeId], Awaitable[LookupResult]]


class StatusReporter:
    """Joins what the engine knows of a peer with what the transport knows of its path."""

    def __init__(
        self,
        node_id: NodeId,
        settings: EngineSettings,
        transport: Transport,
        addresses: tuple[Address, ...],
        find_peer: FindPeer,
        metrics: Metrics,
        keystore: Keystore | None,
    ) -> None:
        self._node_id = node_id
        self._settings = settings
        self._transport = transport
        self._addresses = addresses
        self._find_peer = find_peer
        self._metrics = metrics
        self._keystore = keystore
        self._started = time.monotonic()
        self._version = version("macula-mesh")

    def status(self, status: NodeStatus) -> dict[str, Any]:
        """The contents of `macula status --json`."""
        now = time.monotonic()
        names = {peer.node_id: peer.name for peer in status.peers}
        return {
            "name": self._settings.name,
            "mode": self._settings.mode.value,
            "node_id": str(self._node_id),
            "short_id": self._node_id.short,
            "realms": list(self._settings.realms),
            "version": self._version,
            "commit": os.environ.get("MACULA_COMMIT", ""),
            "uptime_s": round(now - self._started, 1),
            "ready": status.ready,
            "listen": str(self._transport.local_address),
            "addresses": [str(address) for address in self._addresses],
            "clock_held_s": round(status.clock_held, 1),
            "data_dir": _data_dir(self._keystore),
            "reachable": self._settings.reachable,
            "bootstraps": [_bootstrap(entry, names) for entry in status.bootstraps],
            "certificate_s": _left(self._transport.certificate_expires),
            "nat": status.nat,
            "handshakes": asdict(self._transport.handshakes),
            "unread_bytes": self._transport.unread,
            "tunnels": asdict(self._transport.tunnels),
            "dht": structs.asdict(status.dht),
            "pool": structs.asdict(status.pool) | {"limit": self._settings.pool.max_size},
            "load": structs.asdict(status.load),
            "reaching": self._metrics.reaching(),
            "relays": [_relay(relay.node, names) for relay in status.relays],
            "relaying": asdict(self._transport.relayed),
            "peers": [self._peer(peer, names, now) for peer in status.peers],
            "procedures": list(status.procedures),
            "subscriptions": list(status.subscriptions),
        }

    def metrics(self, status: NodeStatus) -> bytes:
        """The contents of /metrics."""
        return self._metrics.render(self.status(status))

    async def records(self, records: Sequence[Record]) -> list[dict[str, Any]]:
        """Found records, with name and addresses from their nodes' peer records, of which a few are looked up at a
        time."""
        turns = asyncio.Semaphore(_LOOKUPS)

        async def one(record: Record) -> dict[str, Any]:
            async with turns:
                return await self._record(record)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(record)) for record in records]
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _record(self, record: Record) -> dict[str, Any]:
        addresses: list[str] = []
        name, mode = "", ""
        if record.kind is Kind.PEER:
            records: tuple[Record, ...] = (record,)
        else:
            records = (await self._find_peer(record.node)).records
        for candidate in records:
            try:
                info = read_peer(candidate)
            except ProtocolError:
                continue
            addresses, name, mode = [str(address) for address in info.addresses], info.name, info.mode
        return {
            "node_id": str(record.node),
            "short_id": record.node.short,
            "name": name,
            "mode": mode,
            "address": addresses[0] if addresses else "",
            "addresses": addresses,
            "seq": record.seq,
            "expires": record.expires,
        }

    def path_kind(self, peer: NodeId) -> str:
        """How a connected peer is reached: direct or relayed; what is over says nothing else than direct."""
        path = self._transport.path(peer)
        return path.kind if path else "direct"

    def _peer(self, peer: PeerStatus, names: Mapping[NodeId, str], now: float) -> dict[str, Any]:
        path: PathStatus | None = self._transport.path(peer.node_id)
        return {
            "node_id": str(peer.node_id),
            "short_id": peer.node_id.short,
            "name": peer.name,
            "mode": peer.mode,
            "address": str(path.address) if path and path.address else "",
            "path": path.kind if path else "",
            "relay": _relay(path.relay, names) if path and path.relay else None,
            "carrier": path.carrier if path else "",
            "rtt_ms": round(path.rtt * 1000, 3) if path else None,
            "hops": path.hops if path else None,
            "inbound": peer.inbound,
            "suspect": peer.suspect,
            "since_s": round(now - peer.since, 1),
            "clock_s": round(peer.clock, 1),
            "capabilities": list(peer.capabilities),
            "bytes_sent": path.bytes_sent if path else 0,
            "bytes_received": path.bytes_received if path else 0,
        }


def _data_dir(keystore: Keystore | None) -> dict[str, str] | None:
    return None if keystore is None else {"path": str(keystore.folder), "problem": keystore.problem()}


def _left(expires: float | None) -> float | None:
    return None if expires is None else round(expires - time.time())


def _bootstrap(entry: BootstrapStatus, names: Mapping[NodeId, str]) -> dict[str, Any]:
    return {
        "address": str(entry.address),
        "peer": _relay(entry.peer, names) if entry.peer else None,
        "attempts": entry.attempts,
        "code": entry.code,
        "reason": entry.reason,
    }


def _relay(relay: NodeId, names: Mapping[NodeId, str]) -> dict[str, str]:
    return {"node_id": str(relay), "short_id": relay.short, "name": names.get(relay, "")}
