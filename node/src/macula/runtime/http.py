"""The health endpoint: GET /live, /health, /ready and /metrics over HTTP/1.1 (RFC 9112), one request a connection.

/live says that the event loop turns (restart the process if not), /health that the node answers, and whether it is
`healthy` or `degraded` by which findings (of `macula doctor`: bootstraps, mesh and DHT, pool, relays, clock), /ready
that it is part of the mesh and can be given work; /metrics is for Prometheus.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from http import HTTPStatus
from typing import Any

import h11

from macula.errors import ConfigError, MeshError
from macula.runtime.clients import Accept, serving
from macula.runtime.diagnosis import Verdict, glance
from macula.runtime.metrics import CONTENT_TYPE
from macula.runtime.reports import MeshLike

MAX_CONNECTIONS = 64
MAX_HEAD = 8192
"""Most bytes of a request's head."""
REQUEST_DEADLINE = 5.0
"""Seconds for a whole exchange."""
STATUS_DEADLINE = 2.0
"""Seconds for the node to say how it is."""

PATHS = ("/live", "/health", "/ready", "/metrics")


@dataclass(frozen=True, slots=True)
class Response:
    """What is sent back; a body that is no text already is sent as JSON."""

    status: HTTPStatus
    body: dict[str, Any] | bytes
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def content(self) -> tuple[bytes, str]:
        """The body and its type."""
        if isinstance(self.body, bytes):
            return self.body, CONTENT_TYPE
        return json.dumps(self.body).encode() + b"\n", "application/json"


@asynccontextmanager
async def health_server(
    mesh: MeshLike, host: str, port: int, *, max_connections: int = MAX_CONNECTIONS
) -> AsyncIterator[int]:
    """Serve inside the block; gives the TCP port, which port 0 lets the system choose. Raises ConfigError."""

    def start(accept: Accept) -> Awaitable[asyncio.Server]:
        return asyncio.start_server(accept, host, port, limit=MAX_HEAD, start_serving=False)

    def refuse(writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    try:
        async with serving(start, partial(_serve_client, mesh), refuse, max_connections) as server:
            yield server.sockets[0].getsockname()[1]
    except OSError as error:
        raise ConfigError(
            "health_port", f"cannot listen on {host}:{port}/tcp: {error.strerror}; 0 turns it off"
        ) from error


async def _serve_client(mesh: MeshLike, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
    try:
        async with asyncio.timeout(REQUEST_DEADLINE):
            response = await _respond(mesh, connection, reader)
            if response is not None:
                _send(connection, writer, response)
                await writer.drain()
    except OSError:
        writer.transport.abort()  # the client has gone, or is too slow


async def _respond(mesh: MeshLike, connection: h11.Connection, reader: asyncio.StreamReader) -> Response | None:
    try:
        while (event := connection.next_event()) is h11.NEED_DATA:
            connection.receive_data(await reader.read(MAX_HEAD))
    except h11.RemoteProtocolError as error:
        return Response(HTTPStatus(error.error_status_hint), {"error": str(error)})
    if not isinstance(event, h11.Request):
        return None
    path = event.target.split(b"?", 1)[0].decode("ascii")
    if path not in PATHS:
        return Response(HTTPStatus.NOT_FOUND, {"error": "no such page", "pages": list(PATHS)})
    if event.method != b"GET":
        return Response(HTTPStatus.METHOD_NOT_ALLOWED, {"error": "only GET"}, (("Allow", "GET"),))
    return Response(HTTPStatus.OK, {"status": "alive"}) if path == "/live" else await check(mesh, path)


async def check(mesh: MeshLike, path: str) -> Response:
    """How the node is, for /health, /ready and /metrics."""
    about: dict[str, Any] = {"name": mesh.name, "mode": mesh.mode, "node_id": str(mesh.node_id)}
    try:
        async with asyncio.timeout(STATUS_DEADLINE):
            if path == "/metrics":
                return Response(HTTPStatus.OK, await mesh.metrics())
            status = await mesh.status()
    except TimeoutError:
        return Response(HTTPStatus.SERVICE_UNAVAILABLE, {"status": "unresponsive", **about})
    except MeshError as error:
        return Response(HTTPStatus.SERVICE_UNAVAILABLE, {"status": "stopping", "reason": str(error), **about})
    ready = bool(status["ready"])
    about.update(ready=ready, peers=len(status["peers"]), uptime_s=status["uptime_s"])
    if path == "/health":
        wrong = [asdict(finding) for finding in glance(status) if finding.verdict is not Verdict.OK]
        return Response(HTTPStatus.OK, {"status": "degraded" if wrong else "healthy", **about, "findings": wrong})
    if ready:
        return Response(HTTPStatus.OK, {"status": "ready", **about})
    return Response(HTTPStatus.SERVICE_UNAVAILABLE, {"status": "starting", **about})


def _send(connection: h11.Connection, writer: asyncio.StreamWriter, response: Response) -> None:
    body, kind = response.content
    headers = [
        ("Content-Type", kind),
        ("Content-Length", str(len(body))),
        ("Connection", "close"),
        *response.headers,
    ]
    head = h11.Response(status_code=response.status, reason=response.status.phrase.encode(), headers=headers)
    with suppress(h11.LocalProtocolError):
        for event in (head, h11.Data(data=body), h11.EndOfMessage()):
            writer.write(connection.send(event) or b"")
