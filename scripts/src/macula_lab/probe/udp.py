"""A UDP socket that also tells which ICMP errors came back."""

import contextlib
import errno
import socket
import struct
import time
from collections.abc import Iterator
from types import TracebackType
from typing import NamedTuple, Self

from macula_lab.errors import LabError
from macula_lab.probe.endpoint import Endpoint

PORT_UNREACHABLE = "icmp 3/3"
PROHIBITED = "icmp 3/13"

TAKEN_PATIENCE = 2.0
"""Seconds for a port to become free: another probe of the host may have been given it, and has it only for a moment."""

_IP_RECVERR = 11  # linux/in.h; the socket module has no name for it
_SO_NO_CHECK = 11  # asm-generic/socket.h
_ORIGIN_ICMP = 2  # linux/errqueue.h


class Datagram(NamedTuple):
    """What arrived, and whom it says it is from."""

    data: bytes
    source: Endpoint


class UdpSocket:
    """A bound socket. Raises LabError when the address is not here or the port is taken."""

    def __init__(self, address: str, port: int = 0) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        try:
            self._bind(address, port)
        except OSError as error:
            self._socket.close()
            raise LabError(
                f"udp {address}:{port}: it cannot be bound, {error.strerror}", "choose an address of this host"
            ) from error
        self.local = Endpoint(*self._socket.getsockname())
        self.errors: list[str] = []
        """what was reported: `icmp TYPE/CODE` (RFC 792, RFC 1812), or the name of an errno"""

    def _bind(self, address: str, port: int) -> None:
        until = time.monotonic() + TAKEN_PATIENCE
        while True:
            try:
                return self._socket.bind((address, port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE or time.monotonic() > until:
                    raise
            time.sleep(0.02)

    def omit_checksum(self) -> None:
        """From now on send without a checksum, as RFC 768 allows."""
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_NO_CHECK, 1)

    def send(self, data: bytes, to: Endpoint) -> None:
        """Send one datagram; an error that the network reports is noted in `errors`."""
        for _ in range(2):  # a pending error of an earlier datagram is reported instead of sending
            try:
                self._socket.sendto(data, to)
            except OSError as error:
                self._note(error)
            else:
                return

    def receive(self, until: float) -> Datagram | None:
        """The next datagram; None when none has come by `until` (monotonic seconds). Takes what is already there."""
        while True:
            self._socket.settimeout(max(0.0, until - time.monotonic()))
            try:
                data, source = self._socket.recvfrom(2048)
            except (TimeoutError, BlockingIOError):
                return None
            except OSError as error:
                self._note(error)
            else:
                return Datagram(data, Endpoint(*source))

    def _note(self, error: OSError) -> None:
        queued = list(self._queued())
        self.errors += queued or [errno.errorcode.get(error.errno or 0, str(error))]

    def _queued(self) -> Iterator[str]:
        """The errors of the socket's error queue, which is emptied."""
        self._socket.settimeout(0.0)
        with contextlib.suppress(BlockingIOError):
            while True:
                _, notes, _, _ = self._socket.recvmsg(2048, 512, socket.MSG_ERRQUEUE)
                for _, _, note in notes:
                    number, origin, kind, code = struct.unpack_from("=IBBB", note)
                    icmp = origin == _ORIGIN_ICMP
                    yield f"icmp {kind}/{code}" if icmp else errno.errorcode.get(number, str(number))

    def close(self) -> None:
        """Give the port back."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
