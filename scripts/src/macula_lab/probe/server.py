"""A STUN server at two addresses and two ports, over UDP and TCP, and the outsider beside it."""

import contextlib
import selectors
import socket
import threading

from macula.nat import stun

from macula_lab.errors import LabError
from macula_lab.probe import switchboard
from macula_lab.probe.answers import Answer, Places, answer
from macula_lab.probe.endpoint import Endpoint

TCP_PATIENCE = 10.0
"""seconds that a silent TCP client is kept"""


class Server:
    """The sockets of one server, and of an outsider if he has an address.

    Raises LabError when an address is not here or a port is taken.
    """

    def __init__(self, places: Places, stranger: str | None = None) -> None:
        self.places = places
        self._sockets: dict[Endpoint, socket.socket] = {}
        self._listeners: list[tuple[Endpoint, socket.socket]] = []
        try:
            for place in places.all():
                self._sockets[place] = _bound(place)
                self._listeners.append((place, switchboard.listen(place)))
            if stranger is not None:
                switchboard.serve(stranger, self._sockets)
        except LabError:
            self.close()
            raise

    def serve(self) -> None:
        """Answer for ever."""
        with selectors.DefaultSelector() as ready:
            for place, one in self._sockets.items():
                ready.register(one, selectors.EVENT_READ, place)
            for place, listener in self._listeners:
                ready.register(listener, selectors.EVENT_READ, place)
            while True:
                for key, _ in ready.select():
                    self._take(key.fileobj, key.data)

    def close(self) -> None:
        """Close every socket."""
        for one in self._sockets.values():
            one.close()
        for _, listener in self._listeners:
            listener.close()

    def _take(self, ready: object, place: Endpoint) -> None:
        assert isinstance(ready, socket.socket)
        if ready.type is socket.SOCK_STREAM:
            connection, peer = ready.accept()
            arguments = (connection, Endpoint(*peer), place)
            threading.Thread(target=self._converse, args=arguments, daemon=True).start()
            return
        with contextlib.suppress(OSError):
            data, source = ready.recvfrom(2048)
            if told := self._answer(data, Endpoint(*source), place):
                self._sockets[told.origin].sendto(told.data, told.destination)

    def _converse(self, connection: socket.socket, peer: Endpoint, place: Endpoint) -> None:
        """STUN over TCP (RFC 8489, section 6.2.2): messages one after the other, answered where they came from."""
        with connection, contextlib.suppress(OSError), connection.makefile("rb") as stream:
            connection.settimeout(TCP_PATIENCE)
            while len(header := stream.read(stun.HEADER_BYTES)) == stun.HEADER_BYTES:
                length = int.from_bytes(header[2:4])
                if length > stun.MAX_MESSAGE_BYTES:
                    return
                if told := self._answer(header + stream.read(length), peer, place):
                    connection.sendall(told.data)

    def _answer(self, data: bytes, source: Endpoint, place: Endpoint) -> Answer | None:
        return answer(data, source, place, self.places)


def _bound(place: Endpoint) -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        opened.bind(place)
    except OSError as error:
        opened.close()
        raise LabError(
            f"udp {place}: it cannot be bound, {error.strerror}", "choose an address of this host and free ports"
        ) from error
    return opened
