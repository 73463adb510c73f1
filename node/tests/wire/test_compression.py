"""Compressed frames: smaller where they can be, and no way to make a node allocate what it does not want to."""

from __future__ import annotations

import random
import tracemalloc

import pytest
import zstandard
from hypothesis import given

from macula.errors import ProtocolError
from macula.wire import Decoder, Message, encode
from macula.wire.compression import THRESHOLD, compress, decompress
from macula.wire.header import MAX_PAYLOAD, pack_header
from macula.wire.messages import Call, Ping

from .strategies import messages


def call(args: bytes) -> Call:
    return Call("io.test", bytes(16), "io.test.add", args, 1000)


@given(messages)
def test_a_message_is_the_same_compressed(message: Message) -> None:
    plain, frame = encode(message), encode(message, compressed=True)
    assert Decoder().feed(frame) == [(message, len(plain))] and len(frame) <= len(plain)


def test_only_what_gains_is_compressed() -> None:
    noise = random.Random(1).randbytes(100_000)
    assert encode(call(noise), compressed=True) == encode(call(noise))
    assert encode(call(bytes(THRESHOLD // 2)), compressed=True) == encode(call(bytes(THRESHOLD // 2)))
    frame = encode(call(bytes(100_000)), compressed=True)
    assert len(frame) < 1000 and frame[2] == 1


def test_a_compressed_frame_has_its_golden_bytes() -> None:
    frame = bytes.fromhex(GOLDEN)
    assert Decoder().feed(frame)[0][0] == call(bytes(2000))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (zstandard.compress(bytes(1 << 28)), f"decompressed 268435456 bytes, at most {MAX_PAYLOAD} are allowed"),
        (zstandard.ZstdCompressor(write_content_size=False).compress(bytes(1 << 28)), "must say its size"),
        (zstandard.compress(bytes(2000))[:-3], "malformed zstd"),
        (zstandard.compress(bytes(2000)) + b"more", "malformed zstd"),
        (b"", "malformed zstd"),
        (bytes(50), "malformed zstd"),
    ],
    ids=["bomb", "bomb without a size", "cut", "more after it", "empty", "none"],
)
def test_bombs_and_rubbish_are_refused_before_they_are_allocated(data: bytes, reason: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError, match=reason) as caught:
            Decoder().feed(pack_header(Ping.TYPE, len(data), compressed=True) + data)
        assert caught.value.code == "bad_frame"
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_frame_that_lies_about_its_size_is_refused() -> None:
    honest = bytearray(zstandard.compress(random.Random(1).randbytes(5000)))
    at = honest.index((5000 - 256).to_bytes(2, "little"))
    honest[at : at + 2] = (3000 - 256).to_bytes(2, "little")
    with pytest.raises(ProtocolError, match="malformed zstd"):
        decompress(bytes(honest))


def test_what_is_compressed_may_be_of_any_allowed_size() -> None:
    largest = bytes(MAX_PAYLOAD)
    smaller = compress(largest)
    assert smaller is not None and decompress(smaller) == largest


GOLDEN = """
022001000000005828b52ffd602507750200f40385a57265616c6da7696f2e74657374a763616c6c5f6964c41000a970
726f636564757265ab2e616464a461726773c507d0aa74696d656f75745f6d73cd03e80400bf831f00999e72bd1d1803
"""
