"""UDP sockets beside the mesh's own, for measurements and a second STUN port. A driver: no protocol here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from ipaddress import ip_address

from macula.core.address import Address
from macula.core.effects import CloseSocket, OpenSocket
from macula.core.events import DatagramReceived, Event, SocketFailed, SocketOpened
from macula.providers.quic.demux import is_ours
from macula.providers.quic.udp import UdpSocket, source_towards

MAX_SOCKETS = 300
"""Open at a time; more are refused, so that a fault of ours cannot use up the process's files."""

_BUFFER = 1 << 16


class ExtraSockets:
    """Sockets by number. What happens to them goes to `emit`, which only takes note of it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, own: Address, emit: Callable[[Event], None]) -> None:
        """`own` is where the mesh's socket is bound."""
        self._loop = loop
        self._own = own
        self._emit = emit
        self._sockets: dict[int, UdpSocket] = {}

    def execute(self, effect: OpenSocket | CloseSocket) -> None:
        """Open or close a socket."""
        if isinstance(effect, CloseSocket):
            self._close(effect.number)
            return
        try:
            if effect.number in self._sockets or len(self._sockets) >= MAX_SOCKETS:
                raise OSError(f"socket {effect.number} is one too many of {len(self._sockets)}")
            opened = UdpSocket(Address(self._host(effect), effect.port), _BUFFER)
        except OSError as error:
            self._emit(SocketFailed(effect.number, error.strerror or str(error)))
            return
        self._sockets[effect.number] = opened
        self._loop.add_reader(opened.fileno(), self._readable, effect.number, opened)
        self._emit(SocketOpened(effect.number, opened.local_address))

    def send(self, number: int, data: bytes, target: Address) -> None:
        """Send or lose it, as UDP does."""
        if number in self._sockets:
            self._sockets[number].send(data, target)

    def close(self) -> None:
        """Close all of them."""
        for number in list(self._sockets):
            self._close(number)

    def _host(self, effect: OpenSocket) -> str:
        if effect.host is not None:
            return effect.host
        if effect.toward is None or not ip_address(self._own.host).is_unspecified:
            return self._own.host
        return source_towards(effect.toward)

    def _readable(self, number: int, opened: UdpSocket) -> None:
        for data, source, _ in opened.receive():
            if is_ours(data):
                self._emit(DatagramReceived(source, data, number))

    def _close(self, number: int) -> None:
        closed = self._sockets.pop(number, None)
        if closed is not None:
            self._loop.remove_reader(closed.fileno())
            closed.close()
