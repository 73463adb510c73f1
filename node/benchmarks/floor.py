"""The floor: the same calls by bare aioquic with its own asyncio glue, one stream, correlation ids, no mesh.

What is written in one turn of the loop goes out together, as a node does it: without that bare aioquic makes an eighth
of the calls, and anybody would look fast next to it.
"""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.asyncio.server import serve
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import QuicEvent, StreamDataReceived
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

_ALPN = ["floor"]
_ID = 8
_SIZE = _ID + 64
"""Bytes of a frame: correlation id and payload."""


class _Framed(QuicConnectionProtocol):
    """Frames of a fixed size on one stream."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._buffer = b""
        self._flushing = False

    def quic_event_received(self, event: QuicEvent) -> None:
        """Of aioquic."""
        if isinstance(event, StreamDataReceived):
            data = self._buffer + event.data
            whole = len(data) - len(data) % _SIZE
            self._buffer = data[whole:]
            self.frames(event.stream_id, data[:whole])

    def frames(self, stream: int, data: bytes) -> None:
        """Whole ones have come."""
        raise NotImplementedError

    def write(self, stream: int, data: bytes) -> None:
        """Send, with all else that is written in this turn."""
        self._quic.send_stream_data(stream, data)
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        self.transmit()


class _Server(_Framed):
    def frames(self, stream: int, data: bytes) -> None:
        self.write(stream, data)


class _Client(_Framed):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stream: int | None = None
        self._count = 0
        self._waiting: dict[bytes, asyncio.Future[bytes]] = {}

    async def call(self, payload: bytes) -> bytes:
        """Send it, and wait for it to come back."""
        if self._stream is None:
            self._stream = int(self._quic.get_next_available_stream_id())
        self._count += 1
        number = self._count.to_bytes(_ID)
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        self.write(self._stream, number + payload)
        return await future

    def frames(self, stream: int, data: bytes) -> None:
        for at in range(0, len(data), _SIZE):
            self._waiting.pop(data[at : at + _ID]).set_result(data[at + _ID : at + _SIZE])


@asynccontextmanager
async def serving() -> AsyncIterator[int]:
    """Echo what comes to the UDP port of loopback that is given."""
    configuration = QuicConfiguration(is_client=False, alpn_protocols=_ALPN)
    with tempfile.TemporaryDirectory() as folder:
        configuration.load_cert_chain(*_certificate(Path(folder)))
    server = await serve("127.0.0.1", 0, configuration=configuration, create_protocol=_Server)
    try:
        # aioquic tells nobody which port it got.
        assert server._transport is not None
        yield server._transport.get_extra_info("sockname")[1]
    finally:
        server.close()


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Callable[[bytes], Any]]:
    """Calls to who is serving there, with payloads of 64 bytes."""
    configuration = QuicConfiguration(alpn_protocols=_ALPN, verify_mode=ssl.CERT_NONE)
    async with connect("127.0.0.1", port, configuration=configuration, create_protocol=_Client) as client:
        assert isinstance(client, _Client)
        yield client.call


def _certificate(folder: Path) -> tuple[Path, Path]:
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "floor")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, None)
    )
    chain, private = folder / "certificate.pem", folder / "key.pem"
    chain.write_bytes(certificate.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return chain, private
