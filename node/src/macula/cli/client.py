"""The command line's end of the control socket: blocking, and without asyncio, which costs half of a short command."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

SLOW = 1.0
"""Seconds after which a person is shown that something is going on."""

Progress = Callable[[], AbstractContextManager[object]]


class NoNode(Exception):
    """No node answers on the control socket."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"no node answers on {path} ({reason}): start one with `macula node`, or name its socket with "
            "--control-socket or MACULA_CONTROL_SOCKET"
        )


class Refused(Exception):
    """The node answered with an error: its `fields` are code, message and what else the error carries."""

    def __init__(self, fields: dict[str, Any]) -> None:
        super().__init__(fields.get("message", ""))
        self.fields = fields
        self.code = str(fields.get("code", "error"))


class ControlClient:
    """One request to the running node. Leaving the block hangs up, which cancels what is still going on."""

    def __init__(self, path: Path, progress: Progress) -> None:
        """Raises NoNode. `progress` is entered while an answer takes longer than SLOW."""
        self._path = path
        self._progress = progress
        self._buffer = bytearray()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise NoNode(path, error.strerror or str(error)) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def request(self, command: str, patience: float, **fields: Any) -> Any:
        """Ask, and wait at most `patience` s for the result. Raises Refused, NoNode if the node ends meanwhile."""
        self._send({"command": command, **fields})
        try:
            return self._receive(min(SLOW, patience))["result"]
        except TimeoutError:
            with self._progress():
                try:
                    return self._receive(max(0.001, patience - SLOW))["result"]
                except TimeoutError:
                    message = f"the node did not answer within {patience:g} s; its log may say why"
                    raise Refused({"code": "timeout", "message": message}) from None

    def event(self, timeout: float | None) -> dict[str, Any]:
        """The next event of a subscription. Raises TimeoutError, Refused, NoNode."""
        event: dict[str, Any] = self._receive(timeout)["event"]
        return event

    def items(self, command: str, **fields: Any) -> Iterator[Any]:
        """Ask for a streaming call, and give its items as they come; the node watches the time. Raises as request."""
        self._send({"command": command, **fields})
        while "item" in (line := self._receive(None)):
            yield line["item"]

    def wait_until_gone(self) -> None:
        """Keep the connection until the node ends. Raises NoNode."""
        while True:
            self._receive(None)

    def _send(self, request: dict[str, Any]) -> None:
        try:
            self._socket.sendall(json.dumps(request).encode() + b"\n")
        except OSError as error:
            raise NoNode(self._path, error.strerror or str(error)) from error

    def _receive(self, timeout: float | None) -> dict[str, Any]:
        deadline = None if timeout is None else time.monotonic() + timeout
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            self._buffer += self._read(deadline)
        line: dict[str, Any] = json.loads(self._buffer[:end])
        del self._buffer[: end + 1]
        if "error" in line:
            raise Refused(line["error"])
        return line

    def _read(self, deadline: float | None) -> bytes:
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)
        try:
            data = self._socket.recv(65536)
        except TimeoutError:
            raise
        except OSError as error:
            raise NoNode(self._path, error.strerror or str(error)) from error
        if not data:
            raise NoNode(self._path, "it has stopped")
        return data
