"""TLS without a socket: bytes of the TCP stream in, bytes of the TCP stream out."""

from __future__ import annotations

import ssl

_CHUNK = 1 << 14
"""A TLS record's plaintext (RFC 8446, section 5.1)."""


class TlsLayer:
    """One side of a TLS session. After any other call, `take` returns what goes to the other side."""

    def __init__(self, context: ssl.SSLContext, *, is_client: bool) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=not is_client)
        self.secure = False
        """Whether the handshake is over."""
        self.ended = False
        """Whether the other side has closed the session."""

    def receive(self, data: bytes) -> bytes:
        """Bytes came; returns what they say. A client calls it with none to begin. Raises ssl.SSLError."""
        self._incoming.write(data)
        said: list[bytes] = []
        try:
            if not self.secure:
                self._tls.do_handshake()
                self.secure = True
            while chunk := self._tls.read(_CHUNK):
                said.append(chunk)
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        return b"".join(said)

    def write(self, data: bytes) -> None:
        """Say something. Raises ssl.SSLError, and before the handshake is over always."""
        self._tls.write(data)

    def close(self) -> None:
        """Say that nothing more comes."""
        try:
            self._tls.unwrap()
        except ssl.SSLError:
            return

    def take(self) -> bytes:
        """What goes to the other side."""
        return self._outgoing.read()
