"""What a node's lines make of the command, where their order is to be exact."""

from __future__ import annotations

import asyncio
import json
import os
from asyncio.subprocess import Process, create_subprocess_shell
from pathlib import Path
from typing import Any

import pytest

from macula.cli.client import NoNode
from macula.cli.executing import Executor

CALL = {"call": {"id": 1, "caller": "c" * 64, "did": "did:macula:c", "remaining_s": 5.0, "args": None}}


def line(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"


async def test_a_call_cancelled_while_its_command_starts_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, may_start = tmp_path / "held", asyncio.Event()
    started: list[Process] = []
    os.mkfifo(held)

    async def slowly(command: str, **options: Any) -> Process:
        started.append(await create_subprocess_shell(command, **options))
        await may_start.wait()
        return started[0]

    async def node(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(line(CALL))
        with await asyncio.to_thread(held.open) as fifo:
            writer.write(line({"cancel": {"id": 1}}) + line({"ready": True}))
            await heard.get()
            may_start.set()
            # Its end comes when nobody holds it any more: what the shell had started is gone.
            left.set_result(await asyncio.to_thread(fifo.read))
        await started[0].wait()
        # Closing ends the executor; by the time that it has heard this, the command's pipes are closed, too.
        writer.write(line({"ready": True}))
        await heard.get()
        writer.close()

    monkeypatch.setattr(asyncio, "create_subprocess_shell", slowly)
    heard: asyncio.Queue[None] = asyncio.Queue()
    left: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    async with asyncio.timeout(20), await asyncio.start_unix_server(node, tmp_path / "node.sock"):
        executor = Executor("org.example.shop.price", f"sleep 1000 > {held} & wait", 1, show=lambda told: None)
        with pytest.RaisesGroup(NoNode):
            await executor.serve(tmp_path / "node.sock", ready=lambda: heard.put_nowait(None))
        assert await left == ""
