"""Frames that no sound node sends: that connection is closed with a code, and nobody else notices."""

from __future__ import annotations

from collections.abc import Callable

import msgpack
import pytest
import zstandard

from macula.core.lanes import Lane
from macula.wire import encode
from macula.wire.header import pack_header
from macula.wire.messages import Call, Candidates, Ping

from .attacker import Attacker, hello, identity, peer_info
from .scene import REALM, Scene

EVE, MALLORY = identity(1), identity(2)
PING = encode(Ping(1))
CANDIDATE = bytes([2, 0x10, 0, 9, 9, 9, 9])


def payload(value: object, type_: int = Ping.TYPE) -> bytes:
    """A frame of a type around any MessagePack."""
    packed: bytes = msgpack.packb(value)
    return pack_header(type_, len(packed)) + packed


def nested(field: bytes, depth: int) -> bytes:
    """A ping with a list in a list in a list."""
    packed = b"\x81\xa7" + field + b"\x91" * depth + b"\x00"
    return pack_header(Ping.TYPE, len(packed)) + packed


def candidates(*told: bytes) -> bytes:
    """A message with these candidates, sound but for them."""
    words = {"mapping": "eim", "filtering": "apdf", "ports": "random", "fragile": False, "udp": True}
    numbers = {"round": 1, "delta": 1, "last_port": 0, "held_ms": 0}
    return payload({**words, **numbers, "receiver": bytes(8), "key": bytes(32), "candidates": told}, Candidates.TYPE)


def compressed(data: bytes, type_: int = Ping.TYPE) -> bytes:
    """A frame that says it is compressed."""
    return pack_header(type_, len(data), compressed=True) + data


FRAMES: dict[str, tuple[bytes, str]] = {
    "another version": (b"\x01" + PING[1:], "no_common_version"),
    "flags": (PING[:2] + b"\x02" + PING[3:], "bad_frame"),
    "a compressed frame that is none": (PING[:2] + b"\x01" + PING[3:], "bad_frame"),
    "a bomb": (compressed(zstandard.compress(bytes(1 << 28))), "bad_frame"),
    "reserved bits": (PING[:3] + b"\x80" + PING[4:], "bad_frame"),
    "one byte too large": (pack_header(Call.TYPE, (1 << 20) - 7), "bad_frame"),
    "four gigabytes": (pack_header(Call.TYPE, 2**32 - 1), "bad_frame"),
    "a type that never was": (pack_header(0x7F, 0), "unknown_type"),
    "a type of the ancestor": (pack_header(0x22, 10), "unknown_type"),
    "no MessagePack": (pack_header(Ping.TYPE, 1) + b"\xc1", "bad_frame"),
    "cut MessagePack": (pack_header(Ping.TYPE, 3) + b"\x81\xa7r", "bad_frame"),
    "something after the map": (pack_header(Ping.TYPE, len(PING) - 7) + PING[8:] + b"\x80", "bad_frame"),
    "nested too deeply": (nested(b"request", 4), "bad_message"),
    "nested so deeply that parsers fall": (nested(b"unknown", 100_000), "bad_frame"),
    "an array of a million": (pack_header(Ping.TYPE, 5) + b"\xdd\x00\x10\x00\x00", "bad_message"),
    "keys that are no strings": (payload({1: 2}), "bad_message"),
    "an extension": (payload({"request": msgpack.ExtType(5, b"x")}), "bad_message"),
    "no map": (payload([1]), "bad_message"),
    "a missing field": (payload({}), "bad_message"),
    "a wrong type": (payload({"request": "1"}), "bad_message"),
    "a number out of range": (payload({"request": 2**32}), "bad_message"),
    "a bool for a number": (payload({"request": True}), "bad_message"),
    "a realm this node does not serve": (encode(Call("org.other", bytes(16), "a", b"", 1)), "wrong_realm"),
    "a hundred thousand candidates": (candidates(*[CANDIDATE] * 100_000), "bad_message"),
    "one candidate too many": (candidates(*[CANDIDATE] * 17), "bad_message"),
    "a candidate that is none": (candidates(bytes(20)), "bad_message"),
    "a second hello": (encode(hello(peer_info(EVE, REALM))), "unexpected"),
}


@pytest.mark.parametrize("name", FRAMES)
async def test_a_bad_frame_closes_its_connection_only(stage: Scene, name: str) -> None:
    data, code = FRAMES[name]

    async def hit(attacker: Attacker) -> None:
        await attacker.greet()
        attacker.send(Lane.CONTROL, PING + data)

    await attacked_thrice(stage, hit, code)


STREAMS: dict[str, tuple[Callable[[Attacker], object], str]] = {
    "a lane that does not exist": (lambda a: a.open(b"\x09"), "bad_frame"),
    "a lane opened twice": (lambda a: a.open(bytes([Lane.CONTROL])), "bad_frame"),
    "a lane that ends": (lambda a: a.quic.send_stream_data(2, b"", end_stream=True), "unexpected"),
    "a lane that is reset": (lambda a: a.quic.reset_stream(2, 1), "unexpected"),
    "a stream that both may write to": (lambda a: a.open(b"\x00", unidirectional=False), "transport_error"),
    "more streams than lanes": (lambda a: [a.open(bytes([lane])) for lane in (1, 2, 3, 1)], "transport_error"),
}


@pytest.mark.parametrize("name", STREAMS)
async def test_a_bad_stream_closes_its_connection_only(stage: Scene, name: str) -> None:
    act, code = STREAMS[name]

    async def hit(attacker: Attacker) -> None:
        # The limits are the victim's to keep: aioquic would not let this side break them.
        attacker.quic._remote_max_streams_bidi = attacker.quic._remote_max_streams_uni = 100
        attacker.quic._remote_max_stream_data_bidi_remote = 100
        await attacker.greet()
        act(attacker)
        attacker.flush()

    await attacked_thrice(stage, hit, code)


async def attacked_thrice(stage: Scene, hit: Callable[[Attacker], object], code: str) -> None:
    """The same attack twice by one peer and once by another: each is closed, each peer is logged once."""
    for who in (EVE, EVE, MALLORY):
        async with stage.attack(who) as attacker:
            await hit(attacker)  # type: ignore[misc]
            await stage.works()
            assert (await attacker.closed()).code == code
        await stage.works()
    for who in (EVE, MALLORY):
        assert [logged for _, logged in stage.warnings(who.node_id)] == [code]
