from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from macula.errors import Busy, RemoteError
from macula.runtime import control_provide

from .fake_mesh import OTHER, REALM, FakeMesh
from .test_control import Client, serve

NAME = f"{REALM}.shop.price"


@asynccontextmanager
async def providing(tmp_path: Path, mesh: FakeMesh) -> AsyncIterator[Client]:
    """Somebody who provides NAME over the control socket."""
    path = tmp_path / "control.sock"
    async with serve(mesh, path):
        client = await Client.connect(path)
        assert await client.ask("provide", procedure=NAME) == {"result": {"serving": [NAME]}}
        try:
            yield client
        finally:
            await client.close()


def say(client: Client, **line: Any) -> None:
    client.writer.write(json.dumps(line).encode() + b"\n")


async def test_the_asker_answers_each_call_in_any_order(tmp_path: Path) -> None:
    mesh = FakeMesh()
    async with providing(tmp_path, mesh) as client, asyncio.TaskGroup() as group:
        first = group.create_task(mesh.report_call(NAME, {"item": "tea"}))
        second = group.create_task(mesh.report_call(NAME, [2]))
        calls = [(await client.line())["call"] for _ in range(2)]
        assert [call["args"] for call in calls] == [{"item": "tea"}, [2]]
        assert (calls[0]["caller"], calls[0]["remaining_s"]) == (str(OTHER), 5.0)
        say(client, id=calls[1]["id"], result="second")
        assert (await second).value == "second"
        say(client, id=calls[0]["id"], result=None)
        assert (await first).value is None


async def test_an_error_of_the_asker_is_the_callers(tmp_path: Path) -> None:
    mesh = FakeMesh()
    async with providing(tmp_path, mesh) as client, asyncio.TaskGroup() as group:
        call = group.create_task(_refused(mesh))
        say(client, id=(await client.line())["call"]["id"], error="sold out")
        assert "sold out" in str(await call)


async def _refused(mesh: FakeMesh) -> RemoteError:
    with pytest.raises(RemoteError) as caught:
        await mesh.report_call(NAME, None)
    return caught.value


async def test_a_caller_that_gives_up_is_told_to_the_asker_and_a_late_answer_is_ignored(tmp_path: Path) -> None:
    mesh = FakeMesh()
    async with providing(tmp_path, mesh) as client, asyncio.TaskGroup() as group:
        call = group.create_task(mesh.report_call(NAME, None))
        number = (await client.line())["call"]["id"]
        call.cancel()
        assert await client.line() == {"cancel": {"id": number}}
        say(client, id=number, result="too late")
        again = group.create_task(mesh.report_call(NAME, None))
        say(client, id=(await client.line())["call"]["id"], result="in time")
        assert (await again).value == "in time"


async def test_who_hangs_up_provides_no_more_and_its_calls_end(tmp_path: Path) -> None:
    mesh = FakeMesh()
    async with providing(tmp_path, mesh) as client, asyncio.TaskGroup() as group:
        call = group.create_task(_cancelled(mesh))
        await client.line()
        await client.close()
        await mesh.withdrawn.wait()
        assert await call
        assert NAME not in mesh.procedures


async def _cancelled(mesh: FakeMesh) -> bool:
    try:
        await mesh.report_call(NAME, None)
    except asyncio.CancelledError:
        return True
    return False


async def test_more_calls_than_can_wait_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_provide, "MAX_WAITING", 1)
    mesh = FakeMesh()
    async with providing(tmp_path, mesh) as client, asyncio.TaskGroup() as group:
        first = group.create_task(mesh.report_call(NAME, None))
        number = (await client.line())["call"]["id"]
        handler = mesh.procedures[NAME]
        with pytest.raises(Busy, match="1 calls of"):
            await handler(None, None)
        say(client, id=number, result=1)
        assert (await first).value == 1


@pytest.mark.parametrize(
    ("line", "named"),
    [({"id": "1", "result": 1}, "id"), ({"result": 1}, "id"), ({"id": 1, "error": 5}, "error"), ([1], "request")],
)
async def test_an_answer_that_is_none_ends_it_with_the_fields_name(tmp_path: Path, line: Any, named: str) -> None:
    mesh = FakeMesh()
    async with providing(tmp_path, mesh) as client:
        client.writer.write(json.dumps(line).encode() + b"\n")
        assert (await client.line())["error"]["field"] == named
        await mesh.withdrawn.wait()


async def test_what_the_node_provides_already_is_refused(tmp_path: Path) -> None:
    mesh = FakeMesh()
    async with providing(tmp_path, mesh):
        other = await Client.connect(tmp_path / "control.sock")
        told = await other.ask("provide", procedure=NAME)
        assert told["error"]["field"] == "procedure" and "already" in told["error"]["message"]
        await other.close()
        assert NAME in mesh.procedures


async def test_a_name_that_cannot_be_one_is_refused(tmp_path: Path) -> None:
    async with serve(FakeMesh(), tmp_path / "control.sock"):
        client = await Client.connect(tmp_path / "control.sock")
        assert (await client.ask("provide", procedure="no name"))["error"]["field"] == "procedure"
        await client.close()
