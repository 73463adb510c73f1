"""What strangers may say to the port where tunnels are taken: each ends in a bounded, named way."""

from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State as WebState
from websockets.uri import parse_uri

from macula.providers.quic.tunnel.settings import MAX_DATAGRAM, PATH
from macula.providers.quic.tunnel.tunnel import _MAX_BACKLOG, State, Tunnel

from .pair import SETTINGS, Pair, Stranger, make_client, make_server

UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def upgraded() -> Stranger:
    """A stranger with a tunnel."""
    stranger = Stranger(make_server())
    stranger.say(UPGRADE.format(path=PATH, key=KEY).encode())
    assert stranger.heard.startswith(b"HTTP/1.1 101 ") and stranger.server.opened
    stranger.heard = b""
    return stranger


def frame(opcode: Opcode, data: bytes, *, fin: bool = True, mask: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=mask)


def ended(tunnel: Tunnel) -> str:
    """Why, once the time for last words is over, too."""
    assert tunnel.state in (State.CLOSING, State.CLOSED), tunnel.state
    tunnel.handle_timer(1e9)
    assert tunnel.over and tunnel.deadline() is None
    return tunnel.reason


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"SSH-2.0-x\r\n",
        bytes(300),
        random.Random(1).randbytes(3000),
        b"\x16\x03\x01\xff\xff" + bytes(70_000),
    ],
    ids=["http", "ssh", "zeros", "noise", "long record"],
)
def test_what_is_no_tls_ends_the_connection(garbage: bytes) -> None:
    tunnel = make_server()
    assert tunnel.receive(garbage, 0.0) == []
    assert ended(tunnel).startswith("TLS: ")
    assert tunnel.receive(garbage, 0.0) == [] and not tunnel.opened


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=600), max_size=6))
def test_any_bytes_are_taken_without_an_error(pieces: list[bytes]) -> None:
    for tunnel in (make_server(), make_client()):
        for piece in pieces:
            assert tunnel.receive(piece, 0.0) == []
            tunnel.take(0.0)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=600), min_size=1, max_size=6), st.booleans())
def test_any_bytes_within_tls_are_taken_without_an_error(pieces: list[bytes], begun: bool) -> None:
    stranger = upgraded() if begun else Stranger(make_server())
    for piece in pieces:
        stranger.say(piece)
    assert all(len(datagram) <= MAX_DATAGRAM for datagram in stranger.got)


@pytest.mark.parametrize(
    ("said", "status", "reason"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"404", "a request for '/'"),
        (UPGRADE.format(path="/chat", key=KEY).encode(), b"404", "a request for '/chat'"),
        (f"GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode(), b"400", "a request for no WebSocket"),
        (UPGRADE.format(path=PATH, key="short").encode(), b"400", "a request for no WebSocket"),
        (b"POST /macula HTTP/1.1\r\nHost: x\r\n\r\n", b"400", "a request for no WebSocket"),
        (b"\x00\x01\x02\r\n\r\n", b"400", "no HTTP, or none of a WebSocket"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"", ""),
        (b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 1000, b"431", "no HTTP, or none of a WebSocket"),
        (b"GET /" + b"a" * 20_000, b"414", "no HTTP, or none of a WebSocket"),
    ],
)
def test_other_requests_are_refused_plainly(said: bytes, status: bytes, reason: str) -> None:
    stranger = Stranger(make_server())
    stranger.say(said)
    assert stranger.heard.startswith(b"HTTP/1.1 " + status) and stranger.heard.count(b"HTTP/1.1 ") == 1
    assert reason in ended(stranger.server) and not stranger.server.opened
    assert len(stranger.heard) < 1000


def test_a_beginning_without_an_end_is_bounded() -> None:
    stranger = Stranger(make_server())
    for number in range(400):
        if stranger.server.state is not State.OPENING:
            break
        stranger.say(b"GET /macula HTTP/1.1\r\n" if not number else b"h%d: %s\r\n" % (number, b"v" * 500))
    assert number < 40
    assert ended(stranger.server) == "too long a beginning"


def test_a_trickle_does_not_put_off_the_end_of_the_handshake() -> None:
    tunnel = make_server(now=0.0)
    hello = make_client().take(0.0)
    for second, byte in enumerate(hello[:8]):
        tunnel.receive(bytes([byte]), second * 0.6)
    assert tunnel.deadline() == SETTINGS.handshake_timeout
    tunnel.handle_timer(5.0)
    assert tunnel.over


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (frame(Opcode.TEXT, b"hello"), "a frame of another kind: TEXT"),
        (frame(Opcode.BINARY, b"half", fin=False), "a frame of another kind: BINARY in pieces"),
        (frame(Opcode.CONT, b"x"), "unexpected continuation frame"),
        (frame(Opcode.BINARY, bytes(MAX_DATAGRAM + 1)), "2049 bytes"),
        (struct.pack("!BBQ", 0x82, 0xFF, 1 << 40), "exceeds limit"),
        (frame(Opcode.BINARY, b"unmasked", mask=False), "masking"),
        (struct.pack("!BB", 0xC2, 0x80), "reserved bits"),
        (frame(Opcode.CLOSE, b""), "closed by the other side"),
        (frame(Opcode.CLOSE, b"\x00"), "close frame"),
    ],
    ids=["text", "pieces", "continuation", "large", "huge", "unmasked", "reserved", "close", "bad close"],
)
def test_frames_that_are_no_datagram_end_the_tunnel(said: bytes, reason: str) -> None:
    stranger = upgraded()
    stranger.say(frame(Opcode.BINARY, b"good") + said + frame(Opcode.BINARY, b"after"))
    assert stranger.got == [b"good"]
    assert reason in ended(stranger.server)
    assert stranger.heard[:1] == b"\x88", "a close frame tells why"


def test_no_extension_is_agreed_upon() -> None:
    stranger = Stranger(make_server())
    asked = UPGRADE.format(path=PATH, key=KEY).replace(
        "\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    )
    stranger.say(asked.encode())
    assert stranger.heard.startswith(b"HTTP/1.1 101 ") and b"xtensions" not in stranger.heard


def test_who_asks_and_never_reads_is_cut_off() -> None:
    stranger = upgraded()
    pings = frame(Opcode.PING, bytes(125)) * 100
    for _ in range(100):
        if stranger.server.over:
            break
        stranger.tls.write(pings)
        stranger.server.receive(stranger.tls.take(), 0.0)
        assert len(stranger.server._out) < _MAX_BACKLOG + 20_000
    assert ended(stranger.server) == "the other side asks and does not read"


def test_an_empty_message_is_no_datagram_that_harms() -> None:
    stranger = upgraded()
    stranger.say(frame(Opcode.BINARY, b"") + frame(Opcode.BINARY, b"x"))
    assert stranger.got == [b"", b"x"] and stranger.server.state is State.OPEN


def test_a_server_that_is_no_tunnels_is_left() -> None:
    pair = Pair()
    pair.server._web._protocol.process_request = None  # type: ignore[union-attr,method-assign]
    pair.run()
    assert "HTTP 400" in pair.client.reason and not pair.client.opened


def test_our_client_speaks_to_any_server() -> None:
    """The request is one that a stock client makes, too."""
    stock = ClientProtocol(parse_uri(f"wss://10.0.0.1{PATH}"))
    stock.send_request(stock.connect())
    stranger = Stranger(make_server())
    stranger.say(b"".join(stock.data_to_send()))
    stock.receive_data(stranger.heard)
    assert stock.state is WebState.OPEN
