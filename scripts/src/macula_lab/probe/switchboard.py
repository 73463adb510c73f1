"""Connections of probers to the outsider, and the TCP listening of the server."""

import contextlib
import json
import socket
import threading
from typing import Any

from macula_lab.errors import LabError
from macula_lab.probe.endpoint import Endpoint
from macula_lab.probe.outsider import Outsider, Places

PORT = 443
MAX_CONNECTIONS = 256
MAX_LINE = 4096


def serve(stranger: str, places: Places) -> None:
    """Accept connections for ever, each in a thread of its own. Raises LabError when the port is taken."""
    listener = listen(Endpoint(next(iter(places)).address, PORT))
    threading.Thread(target=_accept, args=(listener, stranger, places), daemon=True).start()


def listen(at: Endpoint) -> socket.socket:
    """A TCP socket that listens. Raises LabError when the address is not here or the port is taken."""
    try:
        return socket.create_server(at, backlog=MAX_CONNECTIONS)
    except OSError as error:
        raise LabError(
            f"tcp {at}: it cannot be bound, {error.strerror}", "choose an address of this host and free ports"
        ) from error


def _accept(listener: socket.socket, stranger: str, places: Places) -> None:
    slots = threading.BoundedSemaphore(MAX_CONNECTIONS)
    while True:
        slots.acquire()
        connection, peer = listener.accept()
        arguments = (connection, Outsider(stranger, Endpoint(*peer), places), slots)
        threading.Thread(target=_converse, args=arguments, daemon=True).start()


def _converse(connection: socket.socket, outsider: Outsider, slots: threading.Semaphore) -> None:
    try:
        with connection, contextlib.suppress(OSError), connection.makefile("rb") as lines:
            while line := lines.readline(MAX_LINE):
                connection.sendall(json.dumps(_answer(outsider, line)).encode() + b"\n")
    finally:
        outsider.close()
        slots.release()


def _answer(outsider: Outsider, line: bytes) -> dict[str, Any]:
    try:
        asked = json.loads(line)
        if not isinstance(asked, dict):
            raise LabError("outsider: it wants one JSON object per line")
        return outsider.do(asked)
    except (LabError, ValueError) as error:
        return {"error": str(error)}
