"""A listening TCP socket. A driver: no protocol here."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from macula.core.address import Address
from macula.providers.quic.tunnel import tcp

_BATCH = 16
"""Connections taken before others get their turn."""
_PAUSE = 1.0
"""Seconds without taking any, after the system would not give one: it has no more files."""


class Listener:
    """Gives every connection to `accept`, which has to close it."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, host: str, port: int, accept: Callable[[socket.socket, Address], None]
    ) -> None:
        """Raises OSError if the port cannot be had."""
        self._loop = loop
        self._accept = accept
        self._socket = tcp.listen(host, port)
        self._paused: asyncio.TimerHandle | None = None
        self.port: int = self._socket.getsockname()[1]
        self._resume()

    def close(self) -> None:
        """Take no more."""
        if self._paused is not None:
            self._paused.cancel()
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    def _resume(self) -> None:
        self._paused = None
        self._loop.add_reader(self._socket.fileno(), self._readable)

    def _readable(self) -> None:
        for _ in range(_BATCH):
            try:
                made, told = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionError):
                return
            except OSError:
                # The connection stays in the queue, and the socket readable: without a pause this would never end.
                self._loop.remove_reader(self._socket.fileno())
                self._paused = self._loop.call_later(_PAUSE, self._resume)
                return
            self._accept(made, tcp.client_address((told[0], told[1])))
