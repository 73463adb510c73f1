"""zstd (RFC 8878) of frames: flag bit 0. Sent to peers whose hello offers it, understood from all."""

from __future__ import annotations

import zstandard

from macula.errors import ProtocolError
from macula.wire import codes
from macula.wire.header import MAX_PAYLOAD

ZSTD_CAPABILITY = "zstd"
"""In the hello of nodes that understand compressed frames."""
THRESHOLD = 1024
"""Bytes of payload from which compressing is tried: what fits into one packet gains nothing."""
_LEVEL = 1
"""The fastest: at 20 MiB/s, which is what QUIC makes here, higher ones would take a share of the processor."""

_compressor = zstandard.ZstdCompressor(level=_LEVEL)
_decompressor = zstandard.ZstdDecompressor()


def compress(payload: bytes) -> bytes | None:
    """The payload compressed, with its size written down; None if it would not be smaller by an eighth."""
    compressed = _compressor.compress(payload)
    return compressed if len(compressed) <= len(payload) - len(payload) // 8 else None


def decompress(data: bytes | bytearray) -> bytes:
    """What was compressed. It has to say its size, which is looked at before anything is allocated, and to keep to it.
    Raises ProtocolError."""
    try:
        size = zstandard.frame_content_size(data)
        if size < 0:
            raise ProtocolError(codes.BAD_FRAME, "a compressed payload must say its size")
        if size > MAX_PAYLOAD:
            raise ProtocolError(codes.BAD_FRAME, f"decompressed {size} bytes, at most {MAX_PAYLOAD} are allowed")
        return _decompressor.decompress(data, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise ProtocolError(codes.BAD_FRAME, f"malformed zstd: {error}") from error
