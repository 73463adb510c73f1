"""The prober's end of the connection to the outsider."""

import json
import threading
import time
from types import TracebackType
from typing import Any, Self

from macula_lab.errors import LabError
from macula_lab.probe import tcp
from macula_lab.probe.endpoint import Endpoint, parse_endpoint
from macula_lab.probe.observations import Connecting
from macula_lab.probe.switchboard import PORT
from macula_lab.probe.tcp import Outcome

ANSWER_PATIENCE = 10.0
"""seconds that the outsider may take for an answer"""
CONNECT_PATIENCE = 1.0
"""seconds until another connection is tried: less than the kernel takes to send a lost SYN again"""


class Channel:
    """A connection to the outsider at `address`. Raises LabError when it cannot be had within `patience` seconds."""

    def __init__(self, address: str, bind: str, patience: float) -> None:
        deadline = time.monotonic() + patience
        while True:
            left = deadline - time.monotonic()
            tried = tcp.attempt(Endpoint(address, PORT), max(0.05, min(CONNECT_PATIENCE, left)), bind)
            if tried.connection or left <= 0:
                break
            if tried.outcome is not Outcome.SILENT:
                time.sleep(0.02)
        if not tried.connection:
            raise LabError(f"tcp {address}:{PORT}: the outsider cannot be reached ({tried.outcome})")
        self._attempt = tried
        tried.connection.settimeout(ANSWER_PATIENCE)
        self.local = tried.local
        self._turn = threading.Lock()
        self._lines = tried.connection.makefile("rwb")
        told = self._do(do="whoami")
        self.seen = parse_endpoint(told["peer"])
        """where the outsider sees this connection come from"""
        self.stranger = str(told["stranger"])
        """an address outside that nobody inside sends to"""

    def fence(self) -> None:
        """Return when the server has answered everything that it got before."""
        self._do(do="fence")

    def open(self, address: str) -> Endpoint:
        """A new UDP socket in front of the NAT, at an address of the server's or of the stranger."""
        return parse_endpoint(self._do(do="open", address=address)["endpoint"])

    def send(self, data: bytes, origin: Endpoint, to: Endpoint) -> None:
        """Send from such a socket, or from a place of the server."""
        self._do(do="send", data=data.decode(), to=str(to), **{"from": str(origin)})

    def refuse(self, source: Endpoint, destination: Endpoint) -> None:
        """Answer a datagram of `source` to the server by ICMP port unreachable."""
        self._do(do="refuse", to=str(destination), **{"from": str(source)})

    def heard(self, at: Endpoint, wait: float) -> tuple[list[tuple[bytes, Endpoint]], list[str]]:
        """What arrived at such a socket since the last time, waiting up to `wait` seconds; and all errors so far."""
        told = self._do(do="heard", at=str(at), wait=wait)
        return [(data.encode(), parse_endpoint(source)) for data, source in told["datagrams"]], told["errors"]

    def source_of(self, data: bytes, at: Endpoint, wait: float) -> Endpoint | None:
        """Whom such a socket heard `data` from since the last time, waiting up to `wait` seconds."""
        return next((source for arrived, source in self.heard(at, wait)[0] if arrived == data), None)

    def watch(self) -> None:
        """Begin to look at ICMP echo replies."""
        self._do(do="watch")

    def watched(self, data: bytes, wait: float) -> str:
        """Where one with this data came from; empty when none comes within `wait` seconds."""
        return str(self._do(do="watched", data=data.decode(), wait=wait)["source"])

    def connect(self, to: Endpoint, wait: float) -> Connecting:
        """Have the stranger try to open a TCP connection."""
        told = self._do(do="connect", to=str(to), wait=wait)
        return Connecting(parse_endpoint(told["from"]), to, Outcome(told["outcome"]))

    def _do(self, **asked: Any) -> dict[str, Any]:
        try:
            with self._turn:
                self._lines.write(json.dumps(asked).encode() + b"\n")
                self._lines.flush()
                told: dict[str, Any] = json.loads(self._lines.readline())
        except (OSError, ValueError) as error:
            raise LabError(f"outsider: the connection to it broke ({error or type(error).__name__})") from error
        if "error" in told:
            raise LabError(f"outsider: {told['error']}")
        return told

    def close(self) -> None:
        """End the connection."""
        self._lines.close()
        self._attempt.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
