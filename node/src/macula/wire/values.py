"""Application values (arguments, results, event payloads, record values) to bytes and back, with bounds both ways.

A value is None, bool, int (64 bits), float, str, bytes, or a list or string-keyed map of values.
"""

from __future__ import annotations

from typing import Any

import msgpack

from macula.errors import ArgumentError, ProtocolError
from macula.wire import codes
from macula.wire.header import MAX_FRAME

MAX_VALUE = MAX_FRAME - 6144
"""Most bytes of an encoded value, so that the message it is in also fits into a sealed envelope of one frame: at most
640 bytes are the message's other fields, 1200 the source's record, signature and seal, 2700 the envelope's fields with
64 visited nodes."""
MAX_DEPTH = 32
MAX_ITEMS = 1 << 17
"""Most elements of all lists and maps of a value together: an element of one byte can take fifty in memory."""

Value = Any

_LEAVES = frozenset({type(None), bool, int, float, str, bytes})


def encode_value(field: str, value: Value) -> bytes:
    """MessagePack of a value. Raises ArgumentError naming `field` if it is none, too deep or too large."""
    try:
        data: bytes = msgpack.Packer(use_bin_type=True, strict_types=False).pack(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise ArgumentError(field, f"cannot be encoded: {error}") from error
    if len(data) > MAX_VALUE:
        raise ArgumentError(field, f"must have at most {MAX_VALUE} bytes when encoded, has {len(data)}")
    try:
        if type(value) not in _LEAVES:
            _check(value, MAX_DEPTH, MAX_ITEMS)
    except ProtocolError as error:
        raise ArgumentError(field, error.reason) from error
    return data


def decode_value(data: bytes, depth: int = MAX_DEPTH, items: int = MAX_ITEMS) -> Value:
    """The value of MessagePack bytes. Raises ProtocolError if they are malformed, or it is nested more than `depth`
    deep, or has more than `items` elements in all its containers together."""
    try:
        value = msgpack.unpackb(
            data,
            raw=False,
            strict_map_key=True,
            max_array_len=items,
            max_map_len=items,
            max_ext_len=0,
        )
    except (ValueError, msgpack.UnpackException, RecursionError) as error:
        raise ProtocolError(codes.BAD_FRAME, f"malformed MessagePack: {error or type(error).__name__}") from error
    if type(value) not in _LEAVES:
        _check(value, depth, items)
    return value


def _check(value: Any, depth: int, items: int) -> int:
    """Returns how many of `items` elements are left."""
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise ProtocolError(codes.BAD_FRAME, "map keys must be strings")
        children: Any = value.values()
    elif isinstance(value, (msgpack.ExtType, msgpack.Timestamp)):
        raise ProtocolError(codes.BAD_FRAME, "MessagePack extensions are not allowed")
    elif isinstance(value, (list, tuple)):
        children = value
    else:
        return items
    if depth == 0:
        raise ProtocolError(codes.BAD_FRAME, "nested too deeply")
    items -= len(value)
    if items < 0:
        raise ProtocolError(codes.BAD_FRAME, "too many elements")
    for child in children:
        if type(child) not in _LEAVES:
            items = _check(child, depth - 1, items)
    return items
