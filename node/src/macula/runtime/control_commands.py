"""What the control socket can be asked, and how the mesh's answers look as JSON."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import asdict
from typing import Any

from macula.errors import (
    ArgumentError,
    CallError,
    ConfigError,
    IdentityError,
    MeshError,
    NodeClosed,
    PeerUnreachable,
    ProtocolError,
)
from macula.identity import Did, NodeId
from macula.runtime.control_provide import Provision
from macula.runtime.demo import DemoService
from macula.runtime.diagnosis import diagnose
from macula.runtime.reports import DEFAULT_TIMEOUT, MeshEvent, MeshLike
from macula.runtime.why_report import pick_peer

INTERNAL = "internal"
MOST_RECORDS = 16
"""Procedures whose records the doctor looks up."""

Line = dict[str, Any]
Request = dict[str, Any]
Answer = Callable[[Line], None]
Command = Callable[[Request], AsyncGenerator[Line, None]]


class Commands:
    """Runs requests on one mesh. `run` yields one `result` line; for `subscribe` then an `event` line each, for
    `provide` a `call` line each, which the asker answers, for `call_stream` an `item` line each before it."""

    def __init__(self, mesh: MeshLike, demo: DemoService) -> None:
        self._mesh = mesh
        self._demo = demo
        self._commands: dict[str, Command] = {
            "status": self._status,
            "peers": self._peers,
            "metrics": self._metrics,
            "nat": self._nat,
            "why": self._why,
            "doctor": self._doctor,
            "id": self._id,
            "call": self._call,
            "call_stream": self._call_stream,
            "publish": self._publish,
            "subscribe": self._subscribe,
            "serve": self._serve,
            "dht_stats": self._dht_stats,
            "dht_lookup": self._dht_lookup,
        }

    async def run(self, request: Request, heard: Callable[[Answer], None]) -> AsyncGenerator[Line, None]:
        """The lines that answer a request; `heard` is told who wants the lines that the asker sends after it. Raises
        MeshError for what the mesh refuses."""
        name = _text(request, "command")
        if name == "provide":
            provision = Provision(self._mesh, _text(request, "procedure"))
            heard(provision.answer)
            answering = provision.lines()
        elif command := self._commands.get(name):
            answering = command(request)
        else:
            known = ", ".join((*self._commands, "provide"))
            raise ArgumentError("command", f"must be one of {known}, is {name!r:.100}")
        async with aclosing(answering) as lines:
            async for line in lines:
                yield line

    async def _status(self, request: Request) -> AsyncGenerator[Line, None]:
        yield {"result": await self._mesh.status()}

    async def _metrics(self, request: Request) -> AsyncGenerator[Line, None]:
        yield {"result": {"text": (await self._mesh.metrics()).decode()}}

    async def _peers(self, request: Request) -> AsyncGenerator[Line, None]:
        yield {"result": await self._mesh.peers()}

    async def _nat(self, request: Request) -> AsyncGenerator[Line, None]:
        yield {"result": await self._mesh.nat_info(refresh=request.get("refresh") is True)}

    async def _why(self, request: Request) -> AsyncGenerator[Line, None]:
        yield {"result": await self._mesh.why(_text(request, "peer"))}

    async def _doctor(self, request: Request) -> AsyncGenerator[Line, None]:
        status = await self._mesh.status()
        nat = await self._mesh.nat_info()
        own = str(self._mesh.node_id)
        holders = {}
        for name in status["procedures"][:MOST_RECORDS]:
            details = await self._mesh.dht_details(name, "rpc")
            known = any(found["node_id"] == own for found in details["found"])
            holders[name] = details["holders"] if known else []
        findings = [asdict(finding) for finding in diagnose(status, nat, holders)]
        yield {"result": {"version": status["version"], "findings": findings}}

    async def _id(self, request: Request) -> AsyncGenerator[Line, None]:
        yield {"result": id_fields(self._mesh.node_id, self._mesh.realm)}

    async def _call(self, request: Request) -> AsyncGenerator[Line, None]:
        report = await self._mesh.report_call(
            _text(request, "procedure"),
            request.get("args"),
            timeout=_seconds(request),
            to=await self._target(request),
        )
        yield {
            "result": {
                "result": report.value,
                "provider": str(report.provider),
                "path": report.path,
                "hops": [str(node) for node in report.hops],
                "latency_ms": _milliseconds(report.latency),
            }
        }

    async def _call_stream(self, request: Request) -> AsyncGenerator[Line, None]:
        items = self._mesh.call_stream(
            _text(request, "procedure"),
            request.get("args"),
            timeout=_seconds(request),
            to=await self._target(request),
        )
        async with aclosing(items):
            async for item in items:
                yield {"item": item}
        yield {"result": None}

    async def _target(self, request: Request) -> NodeId | None:
        """Whom a call is for: a node id, or what a connected peer is called or its id begins with."""
        if request.get("to") is None:
            return None
        called = _text(request, "to")
        try:
            return NodeId.parse(called)
        except ArgumentError:
            peers = [(peer["name"], NodeId.parse(peer["node_id"])) for peer in await self._mesh.peers()]
            return pick_peer(peers, called)

    async def _publish(self, request: Request) -> AsyncGenerator[Line, None]:
        timeout = _seconds(request)
        report = await self._mesh.publish(
            _text(request, "topic"),
            request.get("payload"),
            qos=request.get("qos", 0),
            timeout=DEFAULT_TIMEOUT if timeout is None else timeout,
        )
        yield {
            "result": {
                "topic": report.topic,
                "subscribers": len(report.delivered) + len(report.failed),
                "delivered": [str(node) for node in report.delivered],
                "failed": {str(node): code for node, code in report.failed.items()},
                "latency_ms": _milliseconds(report.latency),
            }
        }

    async def _subscribe(self, request: Request) -> AsyncGenerator[Line, None]:
        pattern = _text(request, "pattern")
        subscription = await self._mesh.subscribe(pattern)
        try:
            yield {"result": {"subscribed": pattern}}
            async for event in subscription:
                yield {"event": event_fields(event)}
        finally:
            await subscription.close()

    async def _serve(self, request: Request) -> AsyncGenerator[Line, None]:
        async with self._demo.served() as procedures:
            yield {"result": {"serving": list(procedures)}}
            await asyncio.Event().wait()

    async def _dht_stats(self, request: Request) -> AsyncGenerator[Line, None]:
        yield {"result": await self._mesh.dht_stats()}

    async def _dht_lookup(self, request: Request) -> AsyncGenerator[Line, None]:
        yield {"result": await self._mesh.dht_details(_text(request, "name"), request.get("kind", "rpc"))}


def id_fields(node_id: NodeId, realm: str) -> dict[str, str]:
    """What `macula id --json` prints."""
    return {
        "node_id": str(node_id),
        "short_id": node_id.short,
        "did": str(Did(realm, node_id)),
        "public_key": node_id.hex(),
    }


def event_fields(event: MeshEvent) -> dict[str, Any]:
    """What `macula subscribe --json` prints of an event."""
    return {
        "topic": event.topic,
        "payload": event.payload,
        "publisher": str(event.publisher),
        "epoch": event.epoch,
        "sequence": event.sequence,
        "missed": event.missed,
    }


def error_fields(error: BaseException) -> dict[str, Any]:
    """An error as a program can tell it from others: `code`, `message` and what the error carries."""
    match error:
        case CallError():
            return {"code": error.code, "message": error.reason}
        case ProtocolError():
            return {"code": error.code, "message": error.reason}
        case ArgumentError():
            return {"code": "argument", "message": str(error), "field": error.field}
        case ConfigError():
            return {"code": "config", "message": str(error), "field": error.field}
        case PeerUnreachable():
            return {"code": "unreachable", "message": str(error), "peer": error.peer, "attempts": list(error.attempts)}
        case IdentityError():
            return {"code": "identity", "message": str(error)}
        case NodeClosed():
            return {"code": "closed", "message": str(error)}
        case MeshError():
            return {"code": "error", "message": str(error)}
        case _:
            return {"code": INTERNAL, "message": f"{type(error).__name__}: {error}; this is a fault of the node"}


def _text(request: Request, field: str) -> str:
    value = request.get(field)
    if not isinstance(value, str):
        raise ArgumentError(field, f"must be a text, is {value!r:.100}")
    return value


def _seconds(request: Request) -> float | None:
    value = request.get("timeout")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ArgumentError("timeout", f"must be a number of seconds, is {value!r:.100}")
    return float(value)


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
