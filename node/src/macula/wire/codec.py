"""Messages to frames, and an incremental decoder from stream bytes to messages."""

from __future__ import annotations

import typing
from dataclasses import fields
from typing import NamedTuple

import msgpack

from macula.errors import ArgumentError, ProtocolError
from macula.wire import codes
from macula.wire.compression import compress, decompress
from macula.wire.fields import Check, compile_check, refuse
from macula.wire.header import HEADER_SIZE, MAX_PAYLOAD, pack_header, unpack_header
from macula.wire.messages import MESSAGES, Message
from macula.wire.values import unpack_bounded

_MAX_DEPTH = 3
_MAX_ITEMS = 256


def _compile(cls: type[Message]) -> tuple[tuple[str, Check], ...]:
    hints = typing.get_type_hints(cls, include_extras=True)
    names = [field.name for field in fields(cls)]
    return tuple((name, compile_check(f"{cls.__name__}.{name}", hints[name])) for name in names)


_FIELDS: dict[type[Message], tuple[tuple[str, Check], ...]] = {cls: _compile(cls) for cls in MESSAGES}
_BY_TYPE: dict[int, type[Message]] = {cls.TYPE: cls for cls in MESSAGES}


class Decoded(NamedTuple):
    """A message and how many bytes its frame has, decompressed."""

    message: Message
    size: int


def encode(message: Message, *, compressed: bool = False) -> bytes:
    """The frame of a message, compressed if that is wanted and makes it smaller. Raises ArgumentError if a field breaks
    its limit or the frame would exceed 1 MiB."""
    try:
        body = {name: check(getattr(message, name)) for name, check in _FIELDS[type(message)]}
        payload: bytes = msgpack.packb(body, use_bin_type=True)
    except ProtocolError as error:
        raise ArgumentError("message", error.reason) from error
    except UnicodeEncodeError as error:
        raise ArgumentError("message", f"{type(message).__name__} is not Unicode text: {error}") from error
    if len(payload) > MAX_PAYLOAD:
        kind = type(message).__name__
        raise ArgumentError("message", f"payload of {kind} must have at most {MAX_PAYLOAD} bytes, has {len(payload)}")
    if compressed and (smaller := compress(payload)) is not None:
        return pack_header(message.TYPE, len(smaller), compressed=True) + smaller
    return pack_header(message.TYPE, len(payload)) + payload


def decode_payload(type_: int, payload: bytes) -> Message:
    """The message of a frame's type and payload. Unknown fields are left out; raises ProtocolError for all else."""
    cls = _BY_TYPE.get(type_)
    if cls is None:
        raise ProtocolError(codes.UNKNOWN_TYPE, f"type {type_:#04x} is unknown")
    body = unpack_bounded(payload, depth=_MAX_DEPTH, items=_MAX_ITEMS)
    if type(body) is not dict:
        raise ProtocolError(codes.BAD_MESSAGE, f"payload must be a map, is {type(body).__name__}")
    try:
        return cls(*[check(body[name]) for name, check in _FIELDS[cls]])
    except KeyError as error:
        raise refuse(f"{cls.__name__}.{error.args[0]}", "is missing") from None


class Decoder:
    """Frames of one stream, however its bytes are split or joined.

    Call `feed` with each piece in order; it returns the messages that are complete. After a ProtocolError the stream
    is unusable: close the connection. At most one frame (1 MiB, and as much decompressed) and the last piece are held.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Decoded]:
        """The messages completed by `data`, oldest first. Raises ProtocolError."""
        self._buffer += data
        decoded: list[Decoded] = []
        offset = 0
        while len(self._buffer) - offset >= HEADER_SIZE:
            header = unpack_header(self._buffer, offset)
            if header.type not in _BY_TYPE:
                raise ProtocolError(codes.UNKNOWN_TYPE, f"type {header.type:#04x} is unknown")
            end = offset + HEADER_SIZE + header.length
            if len(self._buffer) < end:
                break
            payload = bytes(memoryview(self._buffer)[offset + HEADER_SIZE : end])
            if header.compressed:
                payload = decompress(payload)
            decoded.append(Decoded(decode_payload(header.type, payload), HEADER_SIZE + len(payload)))
            offset = end
        del self._buffer[:offset]
        return decoded
