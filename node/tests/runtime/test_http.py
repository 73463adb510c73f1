from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest

from macula.errors import ConfigError, NodeClosed
from macula.runtime import http
from macula.runtime.http import health_server

from .fake_mesh import FakeMesh


async def exchange(port: int, request: bytes) -> tuple[int, bytes, Any]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), head, json.loads(body)


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


async def test_a_node_in_the_mesh_is_ready() -> None:
    async with health_server(FakeMesh(), "127.0.0.1", 0) as port:
        for path, state in (("/live", "alive"), ("/health", "healthy"), ("/ready?x=1", "ready")):
            status, head, body = await exchange(port, get(path))
            assert (status, body["status"]) == (200, state)
            assert b"application/json" in head


async def test_a_node_that_something_is_wrong_with_is_degraded_and_says_by_what() -> None:
    mesh = FakeMesh()
    mesh.relays.clear()
    async with health_server(mesh, "127.0.0.1", 0) as port:
        status, _, body = await exchange(port, get("/health"))
    assert (status, body["status"]) == (200, "degraded")
    (finding,) = body["findings"]
    assert (finding["check"], finding["verdict"]) == ("reached by others", "fault")


async def test_metrics_are_in_the_text_format() -> None:
    async with health_server(FakeMesh(), "127.0.0.1", 0) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(get("/metrics"))
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()
    assert head.split()[1] == b"200"
    assert b"Content-Type: text/plain; version=0.0.4; charset=utf-8" in head.splitlines()
    assert b"macula_relay_sessions 2.0" in body.splitlines()


async def test_a_node_on_its_way_is_healthy_but_not_ready() -> None:
    mesh = FakeMesh()
    mesh.ready = False
    async with health_server(mesh, "127.0.0.1", 0) as port:
        assert (await exchange(port, get("/health")))[0] == 200
        status, _, body = await exchange(port, get("/ready"))
        assert (status, body["status"], body["name"]) == (503, "starting", "edge1")


async def test_http_1_0_as_the_container_health_check_speaks_it() -> None:
    async with health_server(FakeMesh(), "127.0.0.1", 0) as port:
        status, head, _ = await exchange(port, b"GET /ready HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert status == 200
        assert head.split(b"\r\n")[0].split()[1] == b"200"


async def test_a_node_that_stops_or_hangs_is_not_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "STATUS_DEADLINE", 0.01)
    mesh = FakeMesh()
    async with health_server(mesh, "127.0.0.1", 0) as port:
        mesh.refusal = NodeClosed("the node has stopped")
        status, _, body = await exchange(port, get("/health"))
        assert (status, body["status"]) == (503, "stopping")
        assert (await exchange(port, get("/metrics")))[0] == 503
        mesh.refusal, mesh.hang = None, True
        status, _, body = await exchange(port, get("/health"))
        assert (status, body["status"]) == (503, "unresponsive")
        assert (await exchange(port, get("/live")))[0] == 200


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (get("/"), 404),
        (get("/%2e%2e/etc/passwd"), 404),
        (b"POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12345", 405),
        (b"nonsense\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 20_000 + b"\r\n\r\n", 431),
    ],
)
async def test_bad_requests_get_their_error(request_bytes: bytes, status: int) -> None:
    async with health_server(FakeMesh(), "127.0.0.1", 0) as port:
        assert (await exchange(port, request_bytes))[0] == status
        assert (await exchange(port, get("/live")))[0] == 200


async def test_a_client_that_says_nothing_is_dropped_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "REQUEST_DEADLINE", 0.01)
    async with health_server(FakeMesh(), "127.0.0.1", 0) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /health")
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()


async def test_one_client_too_many_is_dropped() -> None:
    async with health_server(FakeMesh(), "127.0.0.1", 0, max_connections=1) as port:
        _, first = await asyncio.open_connection("127.0.0.1", port)
        first.write(b"GET /li")
        await first.drain()
        reader, second = await asyncio.open_connection("127.0.0.1", port)
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        first.close()
        second.close()


async def test_a_port_in_use_is_named() -> None:
    async with health_server(FakeMesh(), "127.0.0.1", 0) as port:
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port}/tcp") as caught:
            async with health_server(FakeMesh(), "127.0.0.1", port):
                pass
        assert caught.value.field == "health_port"
