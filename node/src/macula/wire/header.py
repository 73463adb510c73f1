"""The 8-byte frame header: version | type | flags | reserved | payload length (u32, big-endian)."""

from __future__ import annotations

import struct

from macula.errors import ProtocolError
from macula.wire import codes

VERSION = 2
HEADER_SIZE = 8
MAX_FRAME = 1 << 20
"""Most bytes of a frame, header included."""
MAX_PAYLOAD = MAX_FRAME - HEADER_SIZE

ZSTD = 0x01
"""The flag of a compressed payload (wire.compression)."""

_LAYOUT = struct.Struct(">BBBBI")


def pack_header(type_: int, length: int, *, compressed: bool = False) -> bytes:
    """The header of a frame of this type with `length` bytes of payload."""
    return _LAYOUT.pack(VERSION, type_, ZSTD if compressed else 0, 0, length)


def unpack_header(data: bytes | bytearray | memoryview, offset: int = 0) -> tuple[int, int, bool]:
    """Of the header at `offset`: the type, how many bytes of payload follow, and whether that is compressed. Raises
    ProtocolError before anything of the announced length is allocated."""
    version, type_, flags, reserved, length = _LAYOUT.unpack_from(data, offset)
    if version != VERSION:
        raise ProtocolError(codes.NO_COMMON_VERSION, f"version is {version}, must be {VERSION}")
    if flags & ~ZSTD or reserved:
        raise ProtocolError(codes.BAD_FRAME, f"flags {flags:#x} but zstd, and reserved {reserved:#x}, must be zero")
    if length > MAX_PAYLOAD:
        raise ProtocolError(codes.BAD_FRAME, f"length is {length}, at most {MAX_PAYLOAD} bytes are allowed")
    return type_, length, bool(flags)
