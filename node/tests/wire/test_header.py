"""The frame header."""

from __future__ import annotations

import pytest

from macula.errors import ProtocolError
from macula.wire import codes
from macula.wire.header import MAX_FRAME, MAX_PAYLOAD, pack_header, unpack_header


def test_layout() -> None:
    assert pack_header(0x20, 0x0001_0203).hex(" ") == "02 20 00 00 00 01 02 03"
    assert unpack_header(bytes.fromhex("ffff 0220 0000 0001 0203"), 2) == (0x20, 0x0001_0203, False)


def test_a_frame_of_one_mebibyte_is_the_limit() -> None:
    assert MAX_FRAME == 1 << 20
    assert unpack_header(pack_header(0x20, MAX_PAYLOAD, compressed=True)) == (0x20, MAX_FRAME - 8, True)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("02 20 02 00 00000000", "flags 0x2 but zstd, and reserved 0x0, must be zero"),
        ("02 20 00 80 00000000", "flags 0x0 but zstd, and reserved 0x80, must be zero"),
        ("02 20 00 00 000ffff9", "length is 1048569, at most 1048568 bytes are allowed"),
        ("02 20 00 00 ffffffff", "length is 4294967295"),
    ],
)
def test_a_wrong_header_is_refused_with_the_reason(header: str, reason: str) -> None:
    with pytest.raises(ProtocolError, match=reason) as caught:
        unpack_header(bytes.fromhex(header))
    assert caught.value.code == codes.BAD_FRAME


@pytest.mark.parametrize("version", [0, 1, 3, 255])
def test_another_version_is_refused_as_that_whatever_else_is_wrong(version: int) -> None:
    with pytest.raises(ProtocolError, match=f"version is {version}, must be 2") as caught:
        unpack_header(bytes([version]) + bytes.fromhex("20 ff ff ffffffff"))
    assert caught.value.code == codes.NO_COMMON_VERSION
