"""A WebSocket whose every message is one datagram (RFC 6455), by the sans-IO half of the library websockets."""

from __future__ import annotations

import logging
from http import HTTPStatus

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidMessage, InvalidStatus
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import WebSocketURI

from macula.providers.quic.tunnel.settings import MAX_DATAGRAM, PATH

_SILENT = logging.Logger("macula.websocket", logging.CRITICAL + 1)
"""The library logs what strangers send; what matters of that is in `ended`."""


class WebSocket:
    """After any other call, `take` returns what goes to the other side. Never raises on what that sent."""

    def __init__(self, *, is_client: bool, host: str = "") -> None:
        """`host` is what a client calls the server."""
        self._protocol: ClientProtocol | ServerProtocol
        self.ended: str | None = None
        """Why there will be no more datagrams."""
        self.heard = 0
        """Whole frames that came."""
        if is_client:
            # No extension: compressing what is encrypted costs time and gains nothing.
            uri = WebSocketURI(secure=True, host=host, port=443, path=PATH, query="")
            client = ClientProtocol(uri, max_size=MAX_DATAGRAM, logger=_SILENT)
            client.send_request(client.connect())
            self._protocol = client
        else:
            self._protocol = ServerProtocol(max_size=MAX_DATAGRAM, logger=_SILENT)

    @property
    def open(self) -> bool:
        """Whether datagrams can be sent."""
        return self._protocol.state is State.OPEN and self.ended is None

    def receive(self, data: bytes) -> list[bytes]:
        """Bytes came; returns the datagrams that they complete."""
        if not data or self.ended is not None:
            return []
        self._protocol.receive_data(data)
        datagrams: list[bytes] = []
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._answer(event)
            elif isinstance(event, Frame):
                self.heard += 1
                self._frame(event, datagrams)
        self._judge()
        return datagrams

    def send(self, datagram: bytes) -> None:
        """Send one message. Only while `open`."""
        self._protocol.send_binary(datagram)

    def ping(self) -> None:
        """Ask for a sign of life."""
        self._protocol.send_ping(b"")

    def close(self) -> None:
        """Say goodbye."""
        if self.open:
            self._protocol.send_close(CloseCode.GOING_AWAY)

    def take(self) -> bytes:
        """What goes to the other side."""
        return b"".join(self._protocol.data_to_send())

    def _answer(self, request: Request) -> None:
        server = self._protocol
        if not isinstance(server, ServerProtocol):
            return
        if request.path != PATH:
            server.send_response(server.reject(HTTPStatus.NOT_FOUND, "404 Not Found\n"))
            self._end(f"a request for {request.path[:80]!r}")
            return
        response = server.accept(request)
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            response = server.reject(HTTPStatus.BAD_REQUEST, "400 Bad Request\n")
            self._end("a request for no WebSocket")
        server.send_response(response)

    def _frame(self, frame: Frame, datagrams: list[bytes]) -> None:
        if self.ended is not None:
            return
        match frame.opcode:
            case Opcode.BINARY if frame.fin:
                datagrams.append(bytes(frame.data))
            case Opcode.PING | Opcode.PONG:
                return
            case Opcode.CLOSE:
                self._end("closed by the other side")
            case _:
                self._protocol.fail(CloseCode.UNSUPPORTED_DATA, "only whole binary messages")
                self._end(f"a frame of another kind: {frame.opcode.name}{'' if frame.fin else ' in pieces'}")

    def _judge(self) -> None:
        refused, broken = self._protocol.handshake_exc, self._protocol.parser_exc
        if refused is not None and self.ended is None:
            # The library answers what is HTTP and too long, but not what is no HTTP.
            if isinstance(self._protocol, ServerProtocol) and isinstance(refused, InvalidMessage):
                self._protocol.writes.append(self._protocol.reject(HTTPStatus.BAD_REQUEST, "").serialize())
            known = isinstance(refused, InvalidStatus)
            self._end(str(refused) if known else "no HTTP, or none of a WebSocket")
        elif broken is not None:
            self._end(str(broken))

    def _end(self, reason: str) -> None:
        self.ended = self.ended or reason
