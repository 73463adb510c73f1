"""The UDP socket: batches in, datagrams out, the IP TTL of what came."""

from __future__ import annotations

import contextlib
import errno
import socket
import sys
from collections.abc import Iterator
from ipaddress import ip_address
from typing import NamedTuple

from macula.core.address import Address

BATCH = 64
"""Datagrams read before others get their turn."""
BATCH_SIZE = 96 << 10
"""Bytes of them after which no more are read, so that jumbo datagrams take no longer turns than others."""

_MAX_DATAGRAM = 65536
_ANCILLARY_SIZE = 64
_MAPPED = "::ffff:"
# Not in the socket module before Python 3.14; the numbers are those of Linux's <netinet/in.h>.
_IP_RECVTTL = getattr(socket, "IP_RECVTTL", 12)
# IP_MTU_DISCOVER and IPV6_MTU_DISCOVER, from <linux/in.h> and <linux/in6.h>, and their value for Don't Fragment.
_MTU_DISCOVER = ((socket.IPPROTO_IP, 10), (socket.IPPROTO_IPV6, 23))
_PMTUDISC_PROBE = 3


class Datagram(NamedTuple):
    """`ttl` is the IP TTL or hop limit with which it arrived, if the system tells."""

    data: bytes
    source: Address
    ttl: int | None


class UdpSocket:
    """One non-blocking socket, IPv4 or IPv6 by the local address; `::` takes both."""

    def __init__(self, local: Address, buffer_size: int) -> None:
        """Raises OSError if the address cannot be bound."""
        self.family = socket.AF_INET6 if ip_address(local.host).version == 6 else socket.AF_INET
        self._socket = socket.socket(self.family, socket.SOCK_DGRAM)
        try:
            self._configure(buffer_size)
            self._socket.bind((local.host, local.port))
        except BaseException:
            self._socket.close()
            raise

    @property
    def local_address(self) -> Address:
        """Where the socket is bound."""
        host, port = self._socket.getsockname()[:2]
        return Address(host, port)

    def fileno(self) -> int:
        """The file descriptor, for the event loop."""
        return self._socket.fileno()

    def receive(self) -> Iterator[Datagram]:
        """Up to BATCH datagrams that are waiting. Errors of earlier sends, which may be reported here, are skipped."""
        left = BATCH_SIZE
        for _ in range(BATCH):
            try:
                data, ancillary, _, source = self._socket.recvmsg(_MAX_DATAGRAM, _ANCILLARY_SIZE)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                continue
            yield Datagram(data, Address(source[0].removeprefix(_MAPPED), source[1]), _ttl_of(ancillary))
            left -= len(data)
            if left <= 0:
                return

    def send(self, data: bytes, target: Address) -> bool:
        """Send or lose it, as UDP does; QUIC sends what matters again. False if it is too large for the link here."""
        host = _MAPPED + target.host if self.family == socket.AF_INET6 and ":" not in target.host else target.host
        try:
            self._socket.sendto(data, (host, target.port))
        except OSError as error:
            return error.errno != errno.EMSGSIZE
        return True

    def reaches(self, host: str) -> bool:
        """Whether an IP literal is of a family that this socket can send to."""
        return ":" not in host or self.family == socket.AF_INET6

    def close(self) -> None:
        """Free the port."""
        self._socket.close()

    def _configure(self, buffer_size: int) -> None:
        self._socket.setblocking(False)
        for plain, forced in ((socket.SO_RCVBUF, "SO_RCVBUFFORCE"), (socket.SO_SNDBUF, "SO_SNDBUFFORCE")):
            self._socket.setsockopt(socket.SOL_SOCKET, plain, buffer_size)
            # Above the system's limit only with privileges that most nodes do not have.
            with contextlib.suppress(OSError, AttributeError):
                self._socket.setsockopt(socket.SOL_SOCKET, getattr(socket, forced), buffer_size)
        # Never fragment, and believe no router: an ICMP message can be forged, what QUIC acknowledges can not.
        for level, option in _MTU_DISCOVER if sys.platform == "linux" else ():
            with contextlib.suppress(OSError):
                self._socket.setsockopt(level, option, _PMTUDISC_PROBE)
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.IPPROTO_IP, _IP_RECVTTL, 1)
        if self.family == socket.AF_INET6:
            self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)


def source_towards(target: Address) -> str:
    """The local address from which the system sends to a target; nothing is sent. Raises OSError without a route."""
    family = socket.AF_INET6 if ":" in target.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        asking.connect((target.host, target.port))
        return str(asking.getsockname()[0])


def _ttl_of(ancillary: list[tuple[int, int, bytes]]) -> int | None:
    for level, kind, value in ancillary:
        if (level, kind) in (
            (socket.IPPROTO_IP, socket.IP_TTL),
            (socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT),
        ):
            return int.from_bytes(value[:4], sys.byteorder)
    return None
