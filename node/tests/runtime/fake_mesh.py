"""A mesh of one node in memory, for what talks to a MeshLike."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from typing import Any

from macula.core.address import Address
from macula.core.route import Relayed
from macula.errors import ArgumentError, MeshError, NotFound, RemoteError
from macula.identity import Did, Identity, NodeId
from macula.nat.decisions import DecisionLog, Verdict
from macula.nat.explanation import Explanation
from macula.nat.facts import Facts
from macula.nat.info import NatInfo, NatType
from macula.nat.profile import Filtering, Mapping, Ports
from macula.nat.punching.actions import Ended
from macula.nat.punching.candidates import Candidate, CandidateKind
from macula.nat.punching.offer import Side
from macula.runtime.logs import TraceLog
from macula.runtime.metrics import Metrics
from macula.runtime.nat_report import nat_fields
from macula.runtime.reports import CallContext, CallReport, Handler, MeshEvent, PublishReport
from macula.runtime.telemetry import Telemetry
from macula.runtime.why_report import why_fields
from macula.wire.values import Value

OWN = Identity.from_random(random.Random(1)).node_id
OTHER = Identity.from_random(random.Random(2)).node_id
REALM = "org.example.mesh"


class FakeSubscription:
    """Gives `events`, then waits until it is closed."""

    def __init__(self, events: list[MeshEvent]) -> None:
        self.waiting = asyncio.Queue[MeshEvent | None](1024)
        for event in events:
            self.waiting.put_nowait(event)
        self.closed = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[MeshEvent]:
        while (event := await self.waiting.get()) is not None:
            yield event

    async def close(self) -> None:
        self.closed.set()


class FakeMesh:
    """Answers from what the test sets."""

    def __init__(self) -> None:
        self.node_id = OWN
        self.name = "edge1"
        self.realm = REALM
        self.mode = "edge"
        self.ready = True
        self.refusal: Exception | None = None
        self.hang = False
        self.nat: NatInfo | None = None
        self.procedures: dict[str, Handler] = {}
        self.withdrawn = asyncio.Event()
        self.leaving = asyncio.Event()
        self.may_leave = asyncio.Event()
        self.may_leave.set()
        self.events: list[MeshEvent] = []
        self.subscriptions: list[FakeSubscription] = []
        self.subscribed = asyncio.Event()
        self.call_started = asyncio.Event()
        self.call_cancelled = asyncio.Event()
        self.asked: list[tuple[object, ...]] = []
        self.relays = [{"node_id": str(OTHER), "short_id": OTHER.short, "name": name} for name in ("a", "b")]
        self.bootstrap: dict[str, Any] = {
            "address": "172.21.0.10:9443",
            "peer": {"node_id": str(OTHER), "short_id": OTHER.short, "name": "boot[red]strap"},
            "attempts": 0,
            "code": "",
            "reason": "",
        }

    async def leave(self, drain: float) -> None:
        self.leaving.set()
        await self.may_leave.wait()

    async def status(self) -> dict[str, Any]:
        if self.refusal:
            raise self.refusal
        if self.hang:
            await asyncio.Event().wait()
        return {
            "name": self.name,
            "mode": self.mode,
            "node_id": str(self.node_id),
            "short_id": self.node_id.short,
            "realms": [self.realm],
            "version": "0.1.0",
            "commit": "",
            "uptime_s": 12.5,
            "ready": self.ready,
            "listen": "0.0.0.0:9443",
            "addresses": ["172.21.0.31:9443"],
            "clock_held_s": 0.0,
            "data_dir": {"path": "/var/lib/macula", "problem": ""},
            "reachable": False,
            "bootstraps": [self.bootstrap],
            "certificate_s": None,
            "nat": "port_restricted, seen at 198.51.100.7:9443",
            "dht": {"nodes": 4, "buckets": 3, "stored_keys": 7},
            "load": {"calls": 1, "handlers": 2, "publications": 0, "queued": 3},
            "reaching": {
                "punches": {"succeeded": 3, "failed": 1},
                "time_to_direct_ms": 120.4,
                "fell_back": 2,
                "relay_failovers": 1,
            },
            "handshakes": {"under_way": 5, "refused": {"rate": 6}},
            "unread_bytes": 9000,
            "tunnels": {"ports": [], "inbound": 0, "outbound": 1, "dropped": 0, "refused": {"full": 2}},
            "pool": {"size": 1, "hits": 3, "misses": 1, "hit_rate": 0.75, "limit": 1000},
            "relays": self.relays,
            "relaying": {"sessions": 2, "datagrams": 40, "bytes": 20_000, "dropped": {"over rate": 3}},
            "peers": await self.peers(),
            "procedures": list(self.procedures),
            "subscriptions": [],
        }

    async def metrics(self) -> bytes:
        status = await self.status()
        return Metrics(Telemetry(TraceLog())).render(status)

    async def peers(self) -> list[dict[str, Any]]:
        return [
            {
                "node_id": str(OTHER),
                "short_id": OTHER.short,
                "name": "boot[red]strap",
                "mode": "bootstrap",
                "address": "172.21.0.10:9443",
                "path": "direct",
                "relay": None,
                "carrier": "udp",
                "rtt_ms": 0.4,
                "hops": None,
                "inbound": False,
                "since_s": 12.0,
                "clock_s": 0.0,
                "capabilities": ["relay", "stream", "zstd", "trace"],
                "suspect": False,
                "bytes_sent": 1500,
                "bytes_received": 999,
            }
        ]

    async def nat_info(self, *, refresh: bool = False) -> dict[str, Any]:
        self.asked.append(("nat", refresh))
        seen = Address("198.51.100.7", 9443)
        kind = (Mapping.ADDRESS_AND_PORT_DEPENDENT, Filtering.ADDRESS_AND_PORT_DEPENDENT, Ports.SEQUENTIAL)
        found = NatInfo(NatType.SYMMETRIC, seen, True, *kind, hairpin=False, delta=2, lifetime=(20.0, 30.0), at=5.0)
        return nat_fields(self.nat or replace(found, observers=(Address("172.21.0.10", 9443),)), 7.5)

    async def why(self, peer: str) -> dict[str, Any]:
        self.asked.append(("why", peer))
        facts = Facts(Mapping.ADDRESS_AND_PORT_DEPENDENT, Filtering.ADDRESS_AND_PORT_DEPENDENT, Ports.RANDOM)
        seen = Candidate(CandidateKind.REFLEXIVE, Address("198.51.100.7", 9443))
        side = Side(facts, (seen,))
        log = DecisionLog()
        log.add(1.0, Verdict.FAILED, None, "both NATs take new ports")
        log.add(2.0, Verdict.FAILED, None, "both NATs take new ports")
        last = Ended(False, 1, 12, 0, "both NATs take new ports")
        told = Explanation(OTHER, Relayed(OWN, OTHER), (), "resting", side, side, last, log.decisions)
        (entry,) = await self.peers()
        relay = {"node_id": str(OWN), "short_id": OWN.short, "name": "gate[b]way"}
        return why_fields({**entry, "name": "edge2", "path": "relayed", "relay": relay}, told, 3.0)

    async def report_call(
        self,
        procedure: str,
        args: Value,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - as the mesh has it
        to: NodeId | None = None,
    ) -> CallReport:
        self.asked.append((procedure, args, timeout, to))
        handler = self.procedures.get(procedure)
        if handler is None:
            raise NotFound(f"nobody provides {procedure}")
        self.call_started.set()
        try:
            value = await handler(args, CallContext(OTHER, str(Did(REALM, OTHER)), REALM, 5.0))
        except asyncio.CancelledError:
            self.call_cancelled.set()
            raise
        except MeshError as error:
            raise RemoteError(str(error)) from error
        return CallReport(value, to or self.node_id, "routed", (OTHER,), 0.00125)

    async def call_stream(
        self,
        procedure: str,
        args: Value = None,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - as the mesh has it
        to: NodeId | None = None,
    ) -> AsyncGenerator[Value, None]:
        self.asked.append((procedure, args, timeout, to))
        handler = self.procedures.get(procedure)
        if handler is None:
            raise NotFound(f"nobody provides {procedure}")
        async for item in handler(args, CallContext(OTHER, str(Did(REALM, OTHER)), REALM, 5.0)):
            yield item

    async def publish(
        self,
        topic: str,
        payload: Value,
        *,
        qos: int = 0,
        timeout: float = 5.0,  # noqa: ASYNC109 - as the mesh has it
    ) -> PublishReport:
        if qos not in (0, 1):
            raise ArgumentError("qos", f"must be 0 or 1, is {qos!r}")
        self.asked.append((topic, payload, qos, timeout))
        return PublishReport(topic, (OWN,), {OTHER: "timeout"}, 0.002)

    async def subscribe(self, pattern: str, *, capacity: int = 256) -> FakeSubscription:
        self.asked.append((pattern, capacity))
        subscription = FakeSubscription(self.events)
        self.subscriptions.append(subscription)
        self.subscribed.set()
        return subscription

    async def advertise(self, procedure: str, handler: Handler, *, idempotent: bool = False) -> None:
        if self.refusal:
            raise self.refusal
        self.procedures[procedure] = handler

    async def unadvertise(self, procedure: str) -> None:
        del self.procedures[procedure]
        if not self.procedures:
            self.withdrawn.set()

    async def dht_stats(self) -> dict[str, Any]:
        return {"nodes": 4, "buckets": 3, "stored_keys": 7}

    async def dht_details(self, name: str, kind: str) -> dict[str, Any]:
        found = [{"node_id": str(OTHER), "address": "172.21.0.10:9443", "name": "bootstrap"}]
        return {"name": name, "key": "ab" * 32, "found": found, "holders": [str(OWN)], "closest": [str(OTHER)]}


def event(sequence: int, payload: Value = None, missed: int = 0) -> MeshEvent:
    return MeshEvent(f"{REALM}.sensors.kitchen", payload, OTHER, 7, sequence, missed)
