"""Calls answered by a command: what `macula serve NAME --exec` does."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from macula.cli.client import NoNode, Refused

MAX_LINE = 4 << 20
"""Longest line that the node writes."""
MAX_OUTPUT = 1 << 20
"""Most bytes that a command may print; a reply could not carry more."""
MAX_COMPLAINT = 1000
"""Characters of a command's complaint that the caller is told."""

PIPES_TIME = 1.0
"""Seconds that the pipes of a command that was killed may take to end."""

Show = Callable[[str], None]


class Executor:
    """Runs the command for each call: its argument as JSON on standard input, its result as JSON from standard output.
    A command that fails is the caller's error. At most `at_once` run at a time; the others wait."""

    def __init__(self, procedure: str, command: str, at_once: int, show: Show) -> None:
        """`show` gets a line about each call that ended."""
        self._procedure = procedure
        self._command = command
        self._turns = asyncio.Semaphore(at_once)
        self._show = show
        self._running: dict[int, asyncio.Task[None]] = {}

    async def serve(self, socket: Path, ready: Callable[[], None]) -> None:
        """Until cancelled; `ready` is called once when the procedure can be found. Raises NoNode when the node is not
        there or ends, Refused when it does not want this."""
        try:
            reader, self._writer = await asyncio.open_unix_connection(socket, limit=MAX_LINE)
        except OSError as error:
            raise NoNode(socket, error.strerror or str(error)) from error
        try:
            self._send({"command": "provide", "procedure": self._procedure})
            async with asyncio.TaskGroup() as self._tasks:
                while line := await reader.readline():
                    self._take(json.loads(line), ready)
                raise NoNode(socket, "it has stopped")
        finally:
            self._writer.close()

    def _take(self, line: Mapping[str, Any], ready: Callable[[], None]) -> None:
        if "error" in line:
            raise Refused(line["error"])
        if "call" in line:
            call = line["call"]
            task = self._running[call["id"]] = self._tasks.create_task(self._answer(call))
            task.add_done_callback(lambda _done: self._running.pop(call["id"]))
        elif "cancel" in line:
            if running := self._running.get(line["cancel"]["id"]):
                running.cancel()
        else:
            ready()

    def _send(self, line: Mapping[str, Any]) -> None:
        self._writer.write(json.dumps(line).encode() + b"\n")

    async def _answer(self, call: Mapping[str, Any]) -> None:
        try:
            async with self._turns:
                output = await self._run(call)
            answer = {"result": json.loads(output) if output.strip() else None}
        except CommandFailed as error:
            answer = {"error": str(error)}
        except ValueError as error:
            answer = {"error": f"the command printed no JSON: {error}"}
        self._show(f"{call['caller'][:10]}: {answer.get('error', 'answered')}")
        self._send({"id": call["id"], **answer})

    async def _run(self, call: Mapping[str, Any]) -> bytes:
        starting = self._tasks.create_task(self._start(call))
        try:
            # Cancelled half-way, asyncio would end the shell and not what the shell has started by then.
            process = await asyncio.shield(starting)
        except asyncio.CancelledError:
            await _end(await starting)
            raise
        assert process.stdin and process.stdout and process.stderr
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_feed(process.stdin, json.dumps(call["args"]).encode() + b"\n"))
                output = group.create_task(_bounded(process.stdout))
                complaint = group.create_task(_bounded(process.stderr))
            code = await process.wait()
        except* CommandFailed as errors:
            raise CommandFailed(str(errors.exceptions[0])) from None
        finally:
            await _end(process)
        if code:
            said = complaint.result().decode(errors="replace").strip()[-MAX_COMPLAINT:]
            raise CommandFailed(f"the command ended with {code}: {said}" if said else f"the command ended with {code}")
        return output.result()

    async def _start(self, call: Mapping[str, Any]) -> Process:
        about = {
            "MACULA_CALL_PROCEDURE": self._procedure,
            "MACULA_CALL_CALLER": call["caller"],
            "MACULA_CALL_DID": call["did"],
            "MACULA_CALL_REMAINING": str(call["remaining_s"]),
        }
        # A session of its own, so that what the shell starts ends with it.
        return await asyncio.create_subprocess_shell(
            self._command, stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True, env={**os.environ, **about}
        )


class CommandFailed(Exception):
    """What the caller is told."""


async def _end(process: Process) -> None:
    """Kill it with all that it started, and see its pipes closed."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    assert process.stdin
    process.stdin.close()
    # What left the session may hold them for as long as it likes.
    with suppress(TimeoutError):
        async with asyncio.timeout(PIPES_TIME):
            await process.communicate()
    await process.wait()


async def _feed(stdin: asyncio.StreamWriter, data: bytes) -> None:
    # A command need not read what it is asked.
    with suppress(BrokenPipeError, ConnectionResetError):
        stdin.write(data)
        await stdin.drain()
    stdin.close()


async def _bounded(stream: asyncio.StreamReader) -> bytes:
    data = bytearray()
    while part := await stream.read(65_536):
        data += part
        if len(data) > MAX_OUTPUT:
            raise CommandFailed(f"the command printed more than {MAX_OUTPUT} bytes")
    return bytes(data)
