"""The control socket: how the command line asks a running node.

A unix socket for the node's user only. One connection is one request: a line of JSON `{"command": ..., ...}`, answered
by lines of `{"result": ...}`, `{"event": ...}` or `{"error": {"code", "message", ...}}`. Whoever asked may hang up at
any time, which cancels what was asked: a call, a subscription, a procedure. Who provides a procedure goes on with lines
of `{"id": ..., "result" | "error": ...}`, one for each `{"call": {"id", ...}}` that comes.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import stat
from collections.abc import AsyncIterator, Awaitable
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path

from macula.errors import ArgumentError, ConfigError, MeshError
from macula.runtime.clients import Accept, serving
from macula.runtime.control_commands import INTERNAL, Answer, Commands, error_fields
from macula.runtime.jsonlines import MAX_LINE, read_object, write_object

MAX_CLIENTS = 64
MAX_PATH = 107
"""Longest path of a unix socket in bytes (unix(7), less the final zero)."""
OTHER_PATH = "name one in a directory that the node may write (--control-socket, MACULA_CONTROL_SOCKET)"
REQUEST_DEADLINE = 5.0
"""Seconds for a client to send its request."""

_log = logging.getLogger(__name__)


@asynccontextmanager
async def control_server(commands: Commands, path: Path, *, max_clients: int = MAX_CLIENTS) -> AsyncIterator[None]:
    """Serve the control socket at `path` inside the block. Raises ConfigError if that path cannot be used."""

    def start(accept: Accept) -> Awaitable[asyncio.Server]:
        return asyncio.start_unix_server(accept, sock=listening, limit=MAX_LINE, start_serving=False)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _Client(commands, reader, writer).serve()

    def refuse(writer: asyncio.StreamWriter) -> None:
        write_object(writer, {"error": {"code": "busy", "message": f"{max_clients} others are served"}})

    listening = _listen(path)
    try:
        async with serving(start, serve, refuse, max_clients):
            yield
    finally:
        listening.close()
        _remove(path)


def _listen(path: Path) -> socket.socket:
    """A bound socket of mode 0600; a socket that nobody listens on is a crashed node's and is replaced."""
    if len(os.fsencode(path)) > MAX_PATH:
        raise ConfigError("control_socket", f"must have at most {MAX_PATH} bytes, has {len(os.fsencode(path))}: {path}")
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists():
            _remove_stale(path)
        before = os.umask(0o177)
        try:
            listening.bind(str(path))
        finally:
            os.umask(before)
    except OSError as error:
        listening.close()
        raise ConfigError("control_socket", f"cannot listen on {path}: {error.strerror}; {OTHER_PATH}") from error
    except ConfigError:
        listening.close()
        raise
    return listening


def _remove(path: Path) -> None:
    # What cannot be removed, as on a file system that has become read-only, is replaced when the next node starts.
    with suppress(OSError):
        path.unlink()


def _remove_stale(path: Path) -> None:
    if not stat.S_ISSOCK(path.stat().st_mode):
        raise ConfigError("control_socket", f"{path} is there and is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise ConfigError(
        "control_socket",
        f"another node answers on {path}: stop it, or give this one another --data-dir",
    )


class _Client:
    """One that asks: what it sends after its request goes to whoever wants it, and to nobody by default."""

    def __init__(self, commands: Commands, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._commands = commands
        self._reader = reader
        self._writer = writer
        self._take: Answer | None = None

    async def serve(self) -> None:
        """Answer one request, or stop doing so when the client hangs up."""
        try:
            async with asyncio.timeout(REQUEST_DEADLINE):
                request = await read_object(self._reader)
            async with asyncio.TaskGroup() as group:
                answering = group.create_task(self._answer(request))
                listening = group.create_task(self._listen())
                await asyncio.wait((answering, listening), return_when=asyncio.FIRST_COMPLETED)
                answering.cancel()
                listening.cancel()
        except ArgumentError as error:
            self._refuse(error)
        except (OSError, EOFError):
            pass  # the client has gone, or never asked

    async def _listen(self) -> None:
        try:
            while True:
                line = await read_object(self._reader)
                if self._take is not None:
                    self._take(line)
        except ArgumentError as error:
            self._refuse(error)
        except (OSError, EOFError):
            pass

    async def _answer(self, request: dict[str, object]) -> None:
        """Waiting until the client has read is what bounds a slow one: its events stay in a bounded subscription."""
        with suppress(OSError):
            try:
                async with aclosing(self._commands.run(request, self._wants)) as lines:
                    async for line in lines:
                        write_object(self._writer, line)
                        await self._writer.drain()
            except Exception as error:
                if isinstance(error, OSError) and not isinstance(error, MeshError):
                    raise  # the client has gone; errors.Timeout is a TimeoutError, hence an OSError, and is an answer
                if self._refuse(error) == INTERNAL:
                    _log.exception("control request failed")
                await self._writer.drain()

    def _wants(self, take: Answer) -> None:
        self._take = take

    def _refuse(self, error: Exception) -> str:
        fields = error_fields(error)
        write_object(self._writer, {"error": fields})
        return str(fields["code"])
