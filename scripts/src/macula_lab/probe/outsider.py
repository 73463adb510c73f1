"""The outsider: does in front of a NAT what a prober behind it asks for over TCP, one JSON object per line.

    {"do": "whoami"}                                              -> {"peer": E, "stranger": ADDRESS}
    {"do": "fence"}                                               -> {}  when all that came before is answered
    {"do": "open", "address": ADDRESS}                            -> {"endpoint": E}
    {"do": "send", "from": E, "to": E, "data": TEXT}              -> {}
    {"do": "refuse", "from": E, "to": E}                          -> {}
    {"do": "heard", "at": E, "wait": SECONDS}                     -> {"datagrams": [[TEXT, E]], "errors": [NAME]}
    {"do": "watch"}                                               -> {}
    {"do": "watched", "data": TEXT, "wait": SECONDS}              -> {"source": ADDRESS}
    {"do": "connect", "to": E, "wait": SECONDS}                   -> {"outcome": WORD, "from": E}

E is "address:port". The stranger's address is one that nobody inside sends to. `open` gives a new UDP socket; `send`
sends from such a one or from one of the server's own places; `refuse` tells the first that nobody listens at the
second, by ICMP; `watch` begins to look at ICMP echo replies; `connect` is the stranger's. Sockets live as long as the
connection. It sends to whom it is told: only for a lab.
"""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from socket import socket
from typing import Any

from macula.nat import stun

from macula_lab.errors import LabError
from macula_lab.probe import icmp, tcp
from macula_lab.probe.endpoint import Endpoint, parse_endpoint
from macula_lab.probe.udp import UdpSocket

MAX_SOCKETS = 64
MAX_WAIT = 2.0

Places = Mapping[Endpoint, socket]
"""the server's own sockets"""
Line = Mapping[str, Any]


class Outsider:
    """What one connection asks for."""

    def __init__(self, stranger: str, peer: Endpoint, places: Places) -> None:
        self._stranger = stranger
        self._peer = peer
        self._places = places
        self._sockets: dict[Endpoint, UdpSocket] = {}
        self._watching: socket | None = None
        self._stack = ExitStack()

    def do(self, asked: Line) -> dict[str, Any]:
        """Do what one line asks; gives the answer. Raises LabError when it cannot."""
        try:
            return _VERBS[asked["do"]](self, asked)
        except PermissionError as error:
            raise LabError(f"{asked['do']}: it needs the capability NET_RAW") from error
        except OSError as error:
            raise LabError(f"{asked['do']}: {error}") from error
        except (KeyError, ValueError, TypeError) as error:
            raise LabError(f"outsider: it does not understand {asked} ({error})") from error

    def close(self) -> None:
        """Close its sockets."""
        self._stack.close()

    def whoami(self, _asked: Line) -> dict[str, Any]:
        return {"peer": str(self._peer), "stranger": self._stranger}

    def fence(self, _asked: Line) -> dict[str, Any]:
        """Ask every place of the server: it takes datagrams in the order in which they came."""
        with UdpSocket(next(iter(self._places)).address) as asking:
            for place in self._places:
                asking.send(stun.encode(stun.request(os.urandom(12))), place)
            until = time.monotonic() + MAX_WAIT
            for place in self._places:
                if asking.receive(until) is None:
                    raise LabError(f"fence: the server does not answer at {place}")
        return {}

    def open(self, asked: Line) -> dict[str, Any]:
        if len(self._sockets) == MAX_SOCKETS:
            raise LabError(f"open: there are {MAX_SOCKETS} sockets already")
        opened = self._stack.enter_context(UdpSocket(asked["address"]))
        self._sockets[opened.local] = opened
        return {"endpoint": str(opened.local)}

    def send(self, asked: Line) -> dict[str, Any]:
        origin, to, data = parse_endpoint(asked["from"]), parse_endpoint(asked["to"]), str(asked["data"]).encode()
        if place := self._places.get(origin):
            place.sendto(data, to)
        else:
            self._sockets[origin].send(data, to)
        return {}

    def refuse(self, asked: Line) -> dict[str, Any]:
        icmp.send_port_unreachable(parse_endpoint(asked["from"]), parse_endpoint(asked["to"]))
        return {}

    def heard(self, asked: Line) -> dict[str, Any]:
        """Everything that arrived; waits for the first thing when there is nothing yet."""
        listening = self._sockets[parse_endpoint(asked["at"])]
        datagrams = []
        until = _until(asked)
        while (arrived := listening.receive(until)) is not None:
            datagrams.append([arrived.data.decode(errors="replace"), str(arrived.source)])
            until = 0.0
        return {"datagrams": datagrams, "errors": listening.errors}

    def watch(self, _asked: Line) -> dict[str, Any]:
        self._watching = self._stack.enter_context(icmp.watching())
        return {}

    def watched(self, asked: Line) -> dict[str, Any]:
        if self._watching is None:
            raise LabError("watched: it does not watch")
        return {"source": icmp.source_of(self._watching, str(asked["data"]).encode(), _until(asked))}

    def connect(self, asked: Line) -> dict[str, Any]:
        tried = tcp.attempt(parse_endpoint(asked["to"]), min(float(asked["wait"]), MAX_WAIT), self._stranger)
        tried.close()
        return {"outcome": tried.outcome, "from": str(tried.local)}


def _until(asked: Line) -> float:
    return time.monotonic() + min(float(asked["wait"]), MAX_WAIT)


_VERBS: dict[str, Callable[[Outsider, Line], dict[str, Any]]] = {
    verb.__name__: verb
    for verb in (
        Outsider.whoami,
        Outsider.fence,
        Outsider.open,
        Outsider.send,
        Outsider.refuse,
        Outsider.heard,
        Outsider.watch,
        Outsider.watched,
        Outsider.connect,
    )
}
