from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import socket
import stat
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from macula.errors import (
    ArgumentError,
    ConfigError,
    IdentityError,
    MeshError,
    NodeClosed,
    PeerUnreachable,
    ProtocolError,
    Timeout,
)
from macula.runtime import control
from macula.runtime.control import control_server
from macula.runtime.control_commands import Commands, error_fields
from macula.runtime.demo import DemoService
from macula.runtime.jsonlines import MAX_LINE, jsonable

from .fake_mesh import OTHER, OWN, REALM, FakeMesh, event


def serve(mesh: FakeMesh, path: Path, max_clients: int = 8) -> AbstractAsyncContextManager[None]:
    return control_server(Commands(mesh, DemoService(mesh)), path, max_clients=max_clients)


class Client:
    """A connection that writes and reads lines."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, path: Path) -> Client:
        return cls(*await asyncio.open_unix_connection(path))

    async def ask(self, command: str, **fields: Any) -> Any:
        self.writer.write(json.dumps({"command": command, **fields}).encode() + b"\n")
        return await self.line()

    async def line(self) -> Any:
        return json.loads(await self.reader.readline())

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


async def ask(path: Path, command: str, **fields: Any) -> Any:
    client = await Client.connect(path)
    try:
        return await client.ask(command, **fields)
    finally:
        await client.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


def mode_of(path: Path) -> int | None:
    return stat.S_IMODE(path.stat().st_mode) if path.exists() else None


async def test_the_socket_is_its_owners_only_and_leaves_with_the_node(path: Path) -> None:
    async with serve(FakeMesh(), path):
        assert mode_of(path) == 0o600
    assert mode_of(path) is None


async def test_plain_questions(path: Path) -> None:
    mesh = FakeMesh()
    async with serve(mesh, path):
        assert (await ask(path, "status"))["result"] == await mesh.status()
        assert (await ask(path, "peers"))["result"] == await mesh.peers()
        assert (await ask(path, "dht_stats"))["result"]["buckets"] == 3
        assert (await ask(path, "dht_lookup", name="a.b", kind="topic"))["result"]["holders"] == [str(OWN)]
        assert (await ask(path, "id"))["result"] == {
            "node_id": str(OWN),
            "short_id": OWN.short,
            "did": f"did:macula:{REALM}.{OWN}",
            "public_key": OWN.hex(),
        }


async def test_a_call_says_who_answered_and_how(path: Path) -> None:
    mesh = FakeMesh()
    async with DemoService(mesh).served(), serve(mesh, path):
        answer = await ask(path, "call", procedure=f"{REALM}.demo.echo", args=[1], timeout=2, to=str(OTHER))
        assert answer["result"] == {
            "result": [1],
            "provider": str(OTHER),
            "path": "routed",
            "hops": [str(OTHER)],
            "latency_ms": 1.25,
        }
        assert mesh.asked == [(f"{REALM}.demo.echo", [1], 2.0, OTHER)]


async def test_hanging_up_cancels_the_call(path: Path) -> None:
    mesh = FakeMesh()
    async with DemoService(mesh).served(), serve(mesh, path):
        client = await Client.connect(path)
        client.writer.write(
            json.dumps({"command": "call", "procedure": f"{REALM}.demo.sleep", "args": {"seconds": 600}}).encode()
            + b"\n"
        )
        await mesh.call_started.wait()
        await client.close()
        await mesh.call_cancelled.wait()


async def test_a_publication_says_who_got_it(path: Path) -> None:
    mesh = FakeMesh()
    async with serve(mesh, path):
        answer = await ask(path, "publish", topic="a.b", payload={"x": 1}, qos=1, timeout=3)
        assert answer["result"] == {
            "topic": "a.b",
            "subscribers": 2,
            "delivered": [str(OWN)],
            "failed": {str(OTHER): "timeout"},
            "latency_ms": 2.0,
        }
        assert mesh.asked == [("a.b", {"x": 1}, 1, 3.0)]


async def test_events_stream_until_the_client_hangs_up(path: Path) -> None:
    mesh = FakeMesh()
    mesh.events = [event(1, {"celsius": 20.5}), event(2, b"\x00\xff", missed=3)]
    async with serve(mesh, path):
        client = await Client.connect(path)
        assert await client.ask("subscribe", pattern="a.b.*") == {"result": {"subscribed": "a.b.*"}}
        first, second = await client.line(), await client.line()
        assert first["event"] == {
            "topic": f"{REALM}.sensors.kitchen",
            "payload": {"celsius": 20.5},
            "publisher": str(OTHER),
            "epoch": 7,
            "sequence": 1,
            "missed": 0,
        }
        assert (second["event"]["payload"], second["event"]["missed"]) == ({"base64": "AP8="}, 3)
        await client.close()
        await mesh.subscriptions[0].closed.wait()


async def test_a_client_that_does_not_read_holds_its_events_back(path: Path) -> None:
    mesh = FakeMesh()
    mesh.events = [event(number, "x" * 50_000) for number in range(100)]
    async with serve(mesh, path):
        slow = await Client.connect(path)
        slow.writer.write(b'{"command": "subscribe", "pattern": "a.b"}\n')
        await mesh.subscribed.wait()
        for _ in range(50):
            await ask(path, "peers")  # the node goes on working, and the stream would have had its turns
        assert mesh.subscriptions[0].waiting.qsize() > 80
        assert [(await slow.line()).get("event", {}).get("sequence") for _ in range(3)] == [None, 0, 1]
        await slow.close()


async def test_the_demo_is_served_as_long_as_the_client_stays(path: Path) -> None:
    mesh = FakeMesh()
    async with serve(mesh, path):
        client = await Client.connect(path)
        assert (await client.ask("serve"))["result"]["serving"][0] == f"{REALM}.demo.echo"
        assert len(mesh.procedures) == 5
        await client.close()
        await mesh.withdrawn.wait()


async def test_a_stopping_node_ends_its_streams(path: Path) -> None:
    mesh = FakeMesh()
    async with serve(mesh, path):
        client = await Client.connect(path)
        await client.ask("subscribe", pattern="a.b")
    assert await client.reader.read() == b""
    assert mesh.subscriptions[0].closed.is_set()
    await client.close()


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (b"nonsense\n", "request"),
        (b"[1]\n", "request"),
        (b"[" * 100_000 + b"\n", "request"),
        (b"{}\n", "command"),
        (b'{"command": "explode"}\n', "command"),
        (b'{"command": "call"}\n', "procedure"),
        (b'{"command": "call", "procedure": "a.b", "timeout": "soon"}\n', "timeout"),
        (b'{"command": "call", "procedure": "a.b", "to": "nobody"}\n', "peer"),
        (b'{"command": "publish", "topic": "a.b", "qos": 2}\n', "qos"),
        (b'{"command": "subscribe", "pattern": 3}\n', "pattern"),
    ],
)
async def test_wrong_requests_name_what_is_wrong(path: Path, line: bytes, field: str) -> None:
    async with serve(FakeMesh(), path):
        client = await Client.connect(path)
        client.writer.write(line)
        error = (await client.line())["error"]
        assert (error["code"], error["field"]) == ("argument", field)
        assert await client.reader.read() == b""
        await client.close()
        assert "result" in await ask(path, "peers")


async def test_a_request_is_bounded(path: Path) -> None:
    async with serve(FakeMesh(), path):
        client = await Client.connect(path)
        client.writer.write(b" " * (MAX_LINE + 2))
        assert str(MAX_LINE) in (await client.line())["error"]["message"]
        await client.close()


async def test_a_silent_client_is_dropped_at_the_deadline(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "REQUEST_DEADLINE", 0.01)
    async with serve(FakeMesh(), path):
        client = await Client.connect(path)
        assert await client.reader.read() == b""
        await client.close()


async def test_one_client_too_many_is_told(path: Path) -> None:
    async with serve(FakeMesh(), path, max_clients=1):
        first = await Client.connect(path)
        await first.ask("subscribe", pattern="a.b")
        second = await Client.connect(path)
        assert (await second.line())["error"]["code"] == "busy"
        await second.close()
        await first.close()


async def test_a_fault_of_the_node_is_answered_and_logged(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    mesh = FakeMesh()
    mesh.refusal = KeyError("oops")
    async with serve(mesh, path):
        with caplog.at_level(logging.ERROR):
            assert (await ask(path, "status"))["error"]["code"] == "internal"
        assert "control request failed" in caplog.text
        assert "result" in await ask(path, "peers")


async def test_the_socket_of_a_crashed_node_is_replaced(path: Path) -> None:
    crashed = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    crashed.bind(str(path))
    crashed.close()
    async with serve(FakeMesh(), path):
        assert "result" in await ask(path, "peers")


async def test_the_socket_of_a_running_node_is_not(path: Path) -> None:
    async with serve(FakeMesh(), path):
        with pytest.raises(ConfigError, match="another node answers"):
            async with serve(FakeMesh(), path):
                pass
        assert "result" in await ask(path, "peers")


async def test_a_socket_that_cannot_be_removed_does_not_keep_a_node_from_ending(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    async with serve(FakeMesh(), path):
        monkeypatch.setattr("pathlib.Path.unlink", read_only)
    assert os.path.exists(path)  # noqa: ASYNC240, PTH110 - as it is seen, whatever Path does


async def test_a_path_that_cannot_be_a_socket_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    for wrong, reason in (
        (tmp_path / "file", "is no socket"),
        (tmp_path / "file" / "below", "cannot listen"),
        (tmp_path / ("x" * 120), "at most 107 bytes"),
    ):
        with pytest.raises(ConfigError, match=reason):
            async with serve(FakeMesh(), wrong):
                pass
    assert (tmp_path / "file").read_text() == "precious"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Timeout("late"), "timeout"),
        (ProtocolError("no_route", "nobody"), "no_route"),
        (ArgumentError("qos", "must be 0 or 1"), "argument"),
        (ConfigError("port", "must be free"), "config"),
        (PeerUnreachable("ab", ("a: refused",)), "unreachable"),
        (IdentityError("another key"), "identity"),
        (NodeClosed("stopped"), "closed"),
        (MeshError("other"), "error"),
        (ValueError("bug"), "internal"),
    ],
)
def test_every_error_has_a_code(error: Exception, code: str) -> None:
    fields = error_fields(error)
    assert fields["code"] == code
    assert fields["message"]
    json.dumps(fields)


def test_values_that_json_lacks() -> None:
    value = {"b": b"hi", "n": [float("nan"), float("inf"), 1.5, None, True]}
    assert jsonable(value) == {"b": {"base64": "aGk="}, "n": ["nan", "inf", 1.5, None, True]}


async def test_a_call_that_timed_out_is_answered_although_its_error_is_an_oserror(tmp_path: Path) -> None:
    mesh = FakeMesh()
    mesh.refusal = Timeout("late")
    async with serve(mesh, tmp_path / "s"):
        assert (await ask(tmp_path / "s", "status"))["error"]["code"] == "timeout"
