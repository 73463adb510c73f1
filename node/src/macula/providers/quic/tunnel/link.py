"""A tunnel on its TCP socket: moves bytes between the two, keeps one timer. A driver: no protocol here."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable

from macula.core.address import Address
from macula.providers.quic.tunnel import tcp
from macula.providers.quic.tunnel.tunnel import State, Tunnel

_READ = 1 << 16
"""Bytes read before others get their turn."""


class Link:
    """Call `flush` after `send`. It closes itself when its tunnel is over."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        stream: socket.socket,
        tunnel: Tunnel,
        address: Address,
        receive: Callable[[list[bytes], Address], None],
        closed: Callable[[Link], None],
        *,
        inbound: bool,
    ) -> None:
        """`inbound` is connected already, else `stream` is connecting. `receive` gets the datagrams that come, `closed`
        is called once; neither from within this call."""
        self.address = address
        self.tunnel = tunnel
        self.inbound = inbound
        self._loop = loop
        self._stream = stream
        self._receive = receive
        self._closed = closed
        self._connected = inbound
        self._unsent = b""
        self._waits = False
        self._shut = False
        self._over = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")
        if inbound:
            loop.add_reader(stream.fileno(), self._readable)
        else:
            self._wait()
        self._arm()

    def send(self, datagram: bytes) -> None:
        """Send it as soon as the stream takes it, or drop it."""
        self.tunnel.send(datagram, time.monotonic())

    def flush(self) -> None:
        """Write what the stream takes."""
        if self._over:
            return
        if self._connected and not self._waits:
            self._write()
        if self.tunnel.over:
            self.abort()
        else:
            self._arm()

    def doubt(self) -> None:
        """Ask the other side for a sign of life."""
        self.tunnel.doubt(time.monotonic())
        self.flush()

    def close(self, reason: str) -> None:
        """Say goodbye and close, in a moment."""
        self.tunnel.close(reason, time.monotonic())
        self.flush()

    def abort(self) -> None:
        """Close at once. Harmless when repeated."""
        if self._over:
            return
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._stream.fileno())
        self._loop.remove_writer(self._stream.fileno())
        self._stream.close()
        self._closed(self)

    def _readable(self) -> None:
        try:
            data = self._stream.recv(_READ)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self.tunnel.ended("the connection ended")
        elif datagrams := self.tunnel.receive(data, time.monotonic()):
            self._receive(datagrams, self.address)
        self.flush()

    def _writable(self) -> None:
        self._loop.remove_writer(self._stream.fileno())
        self._waits = False
        if not self._connected:
            if reason := tcp.outcome(self._stream):
                self.tunnel.ended(reason)
            else:
                self._connected = True
                self._loop.add_reader(self._stream.fileno(), self._readable)
        self.flush()

    def _wait(self) -> None:
        self._waits = True
        self._loop.add_writer(self._stream.fileno(), self._writable)

    def _write(self) -> None:
        now = time.monotonic()
        while self._unsent or (data := self.tunnel.take(now)):
            self._unsent = self._unsent or data
            try:
                self._unsent = self._unsent[self._stream.send(self._unsent) :]
            except (BlockingIOError, InterruptedError):
                pass
            except OSError as error:
                self.tunnel.ended(error.strerror or str(error))
                return
            if self._unsent:
                self.tunnel.blocked(now)
                self._wait()
                return
        if self.tunnel.state is State.CLOSING and not self._shut:
            self._shut = True
            with contextlib.suppress(OSError):
                self._stream.shutdown(socket.SHUT_WR)

    def _arm(self) -> None:
        at = self.tunnel.deadline()
        # A timer that fires too early finds nothing due and is armed anew: cheaper than moving it with each datagram.
        if at is None or at >= self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._loop.call_later(max(0.0, at - time.monotonic()), self._time_is_up)

    def _time_is_up(self) -> None:
        self._timer_at = float("inf")
        self.tunnel.handle_timer(time.monotonic())
        self.flush()
