"""One attempt to open a TCP connection."""

import errno
import os
import socket
from dataclasses import dataclass
from enum import StrEnum

from macula.nat import stun

from macula_lab.probe.endpoint import Endpoint


class Outcome(StrEnum):
    """How an attempt to connect ended."""

    OPEN = "open"
    REFUSED = "refused"
    """by a reset: somebody is there"""
    UNREACHABLE = "unreachable"
    """by an ICMP error"""
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of it; `connection` only when it is open."""

    outcome: Outcome
    local: Endpoint
    connection: socket.socket | None = None

    def close(self) -> None:
        """End the connection without a trace: by a reset, so that nothing waits."""
        if self.connection:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self.connection.close()


def attempt(to: Endpoint, wait: float, bind: str = "") -> Attempt:
    """Try for `wait` seconds to connect from the address `bind`. Raises OSError when that is not here."""
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    connection.settimeout(wait)
    connection.bind((bind, 0))
    local = Endpoint(*connection.getsockname())
    try:
        connection.connect(to)
    except TimeoutError:
        outcome = Outcome.SILENT
    except ConnectionRefusedError:
        outcome = Outcome.REFUSED
    except OSError as error:
        outcome = Outcome.SILENT if error.errno == errno.ETIMEDOUT else Outcome.UNREACHABLE
    else:
        return Attempt(Outcome.OPEN, local, connection)
    connection.close()
    return Attempt(outcome, local)


def ask(connection: socket.socket) -> Endpoint | None:
    """Where a STUN server sees this connection come from; None when it says nothing of use in the socket's timeout."""
    try:
        connection.sendall(stun.encode(stun.request(os.urandom(12))))
        with connection.makefile("rb") as stream:
            header = stream.read(stun.HEADER_BYTES)
            body = stream.read(min(int.from_bytes(header[2:4]), stun.MAX_MESSAGE_BYTES))
        return stun.decode(header + body).mapped
    except (OSError, stun.StunError):
        return None
