"""The decoder under hostile bytes: ProtocolError with a reason or a message, and never more memory than was sent.

`make fuzz` runs a million inputs instead of a few thousand, and others each time: FUZZ_INPUTS and FUZZ_SEED, which a
failure names.
"""

from __future__ import annotations

import os
import random
import struct
import tracemalloc
from collections import Counter

import msgpack
import pytest

from macula.errors import ProtocolError
from macula.wire import MESSAGES, Decoder, codes, encode
from macula.wire.header import pack_header

from .vectors import VECTORS

FRAMES = [encode(message) for message, _ in VECTORS]
INPUTS = int(os.environ.get("FUZZ_INPUTS", "3000"))
SEED = os.environ.get("FUZZ_SEED", "")
CODES = {codes.NO_COMMON_VERSION, codes.BAD_FRAME, codes.BAD_MESSAGE, codes.UNKNOWN_TYPE}


def mutated(rng: random.Random) -> bytes:
    """A valid frame with some bytes changed, inserted, removed or doubled; its length is made right half the time."""
    frame = bytearray(rng.choice(FRAMES))
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(frame))
        match rng.randrange(4):
            case 0:
                frame[at] = rng.randrange(256)
            case 1:
                frame[at:at] = rng.randbytes(rng.randint(1, 8))
            case 2:
                del frame[at : at + rng.randint(1, 8)]
            case 3:
                frame[at:at] = frame[at : at + rng.randint(1, 64)]
        if not frame:
            frame = bytearray(b"\x02")
    if rng.random() < 0.5 and len(frame) >= 8:
        frame[4:8] = struct.pack(">I", len(frame) - 8)
    return bytes(frame)


def random_payload(rng: random.Random) -> bytes:
    """A right header for random bytes."""
    payload = rng.randbytes(rng.randrange(200))
    return pack_header(rng.choice(MESSAGES).TYPE, len(payload)) + payload


def nested(rng: random.Random) -> bytes:
    """A map with containers inside containers."""
    depth = rng.choice([1, 2, 3, 4, 30, 500, 1023, 1024, 5000, 100_000])
    payload = b"\x81\xa1a" + rng.choice([b"\x91", b"\x81\xa1k", b"\xdc\x00\x01"]) * depth + b"\xc0"
    return pack_header(rng.choice(MESSAGES).TYPE, len(payload)) + payload


def announced(rng: random.Random) -> bytes:
    """A container or string that says it is huge, in a short frame; or a frame that does."""
    length = rng.choice([2**32 - 1, 2**31, 2**28, 2**20])
    if rng.random() < 0.2:
        return struct.pack(">BBBBI", 2, rng.choice(MESSAGES).TYPE, 0, 0, length)
    start = rng.choice([b"\xdb", b"\xc6", b"\xdd", b"\xdf", b"\xc9"])
    payload = rng.choice([b"", b"\x81\xa1a", b"\x81\xa1a\x92"]) + start + struct.pack(">I", length) + b"\xc0" * 50
    return pack_header(rng.choice(MESSAGES).TYPE, len(payload)) + payload


def wrong_types(rng: random.Random) -> bytes:
    """A valid message whose fields hold anything."""
    message, _ = rng.choice(VECTORS)
    body = msgpack.unpackb(encode(message)[8:])
    values = [None, True, -1, 2**64 - 1, 1.5, "", "x" * 2000, b"", bytes(3000), [], [None], [b""] * 200, {}, {"a": 1}]
    for name in rng.sample(list(body), rng.randint(1, len(body))):
        body[name] = rng.choice(values)
    payload: bytes = msgpack.packb(body)
    return pack_header(message.TYPE, len(payload)) + payload


KINDS = {
    "random bytes": lambda rng: rng.randbytes(rng.randrange(300)),
    "random payload": random_payload,
    "mutated": mutated,
    "nested": nested,
    "announced": announced,
    "wrong types": wrong_types,
}


@pytest.mark.timeout(60 + INPUTS // 500)
@pytest.mark.parametrize("kind", KINDS)
def test_hostile_bytes_end_as_a_protocol_error_or_a_message(kind: str) -> None:
    rng = random.Random(kind + SEED)
    ends: Counter[str] = Counter()
    for _ in range(INPUTS // len(KINDS)):
        data = KINDS[kind](rng)
        decoder = Decoder()
        try:
            cut = rng.randint(0, len(data))
            decoded = decoder.feed(data[:cut]) + decoder.feed(data[cut:])
        except ProtocolError as error:
            assert error.code in CODES, f"FUZZ_SEED={SEED}: {data.hex()}"
            assert error.reason
            assert len(error.reason) < 500
            if error.code == codes.BAD_MESSAGE:
                assert error.reason.startswith(("field ", "payload must be a map"))
            ends[error.code] += 1
            continue
        for message, _ in decoded:
            assert Decoder().feed(encode(message))[0][0] == message
            ends["decoded"] += 1
    refused = ends[codes.NO_COMMON_VERSION] + ends[codes.BAD_FRAME] + ends[codes.BAD_MESSAGE]
    assert refused >= INPUTS // len(KINDS) * 3 // 10, f"FUZZ_SEED={SEED}"


def test_what_is_only_announced_is_not_allocated() -> None:
    rng = random.Random(1)
    inputs = [announced(rng) for _ in range(300)]
    tracemalloc.start()
    try:
        for data in inputs:
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            with pytest.raises(ProtocolError):
                Decoder().feed(data)
            assert tracemalloc.get_traced_memory()[1] - before < 64 * 1024
    finally:
        tracemalloc.stop()


def test_a_waiting_decoder_holds_what_came_and_no_more() -> None:
    header = pack_header(VECTORS[6][0].TYPE, (1 << 20) - 8)
    tracemalloc.start()
    try:
        decoders = [Decoder() for _ in range(50)]
        for decoder in decoders:
            assert decoder.feed(header) == []
        assert tracemalloc.get_traced_memory()[0] < 64 * 1024
    finally:
        tracemalloc.stop()
