"""TCP sockets, non-blocking, set up for datagrams. A driver: no protocol here."""

from __future__ import annotations

import contextlib
import errno
import os
import socket

from macula.core.address import Address

_MAPPED = "::ffff:"
_UNSENT = 1 << 15
"""Bytes that the kernel takes beyond what it can send at once. With megabytes of them, which it takes otherwise, a slow
peer would get everything seconds late, long after QUIC has sent it anew; what waits here can be dropped."""
# Not in the socket module before Python 3.12; the number is that of Linux's <linux/tcp.h>.
_NOTSENT_LOWAT = getattr(socket, "TCP_NOTSENT_LOWAT", 25)
_BACKLOG = 128
_UNDER_WAY = (errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EAGAIN)


def connect(address: Address) -> socket.socket:
    """A socket that is connecting; it is writable once it is connected or has failed (`outcome`). Raises OSError."""
    made = socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        prepare(made)
        error = made.connect_ex((address.host, address.port))
        if error and error not in _UNDER_WAY:
            raise OSError(error, os.strerror(error))
    except BaseException:
        made.close()
        raise
    return made


def outcome(connecting: socket.socket) -> str:
    """Why a socket that is writable is not connected; empty if it is."""
    error = connecting.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return os.strerror(error).lower() if error else ""


def listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections; `::` takes those of IPv4, too. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        made.bind((host, port))
        made.listen(_BACKLOG)
    except BaseException:
        made.close()
        raise
    return made


def prepare(made: socket.socket) -> None:
    """Send small things at once, and hold little."""
    made.setblocking(False)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with contextlib.suppress(OSError):
        made.setsockopt(socket.IPPROTO_TCP, _NOTSENT_LOWAT, _UNSENT)


def client_address(told: tuple[str, int]) -> Address:
    """Where a client of a listening socket is."""
    return Address(told[0].removeprefix(_MAPPED), told[1]).tunnel(told[1])
