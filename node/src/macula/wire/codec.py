"""Messages to frames, and an incremental decoder from stream bytes to messages."""

from __future__ import annotations

import msgspec

from macula.errors import ArgumentError, ProtocolError
from macula.wire import codes
from macula.wire.compression import THRESHOLD, compress, decompress
from macula.wire.header import HEADER_SIZE, MAX_PAYLOAD, pack_header, unpack_header
from macula.wire.messages import MESSAGES, Message


def _plain(value: object) -> bytes:
    if isinstance(value, bytes):
        return bytes(value)
    raise TypeError(f"{type(value).__name__} cannot be encoded")


_encoder = msgspec.msgpack.Encoder(enc_hook=_plain)
_BY_TYPE: dict[int, type[Message]] = {cls.TYPE: cls for cls in MESSAGES}
_DECODERS: dict[int, msgspec.msgpack.Decoder[Message]] = {cls.TYPE: msgspec.msgpack.Decoder(cls) for cls in MESSAGES}
_MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

Decoded = tuple[Message, int]
"""A message and how many bytes its frame has, decompressed."""


def encode(message: Message, *, compressed: bool = False) -> bytes:
    """The frame of a message, compressed if that is wanted and makes it smaller. Raises ArgumentError if a field breaks
    its limit or the frame would exceed 1 MiB."""
    try:
        payload = _encoder.encode(message)
        # What a peer would refuse is not sent.
        _DECODERS[message.TYPE].decode(payload)
    except _MALFORMED as error:
        raise ArgumentError("message", _refusal(message.TYPE, error).reason) from error
    except UnicodeEncodeError as error:
        raise ArgumentError("message", f"{type(message).__name__} is not Unicode text: {error}") from error
    except (TypeError, OverflowError) as error:
        raise ArgumentError("message", f"{type(message).__name__}: {error}") from error
    if len(payload) > MAX_PAYLOAD:
        kind = type(message).__name__
        raise ArgumentError("message", f"payload of {kind} must have at most {MAX_PAYLOAD} bytes, has {len(payload)}")
    if compressed and len(payload) >= THRESHOLD and (smaller := compress(payload)) is not None:
        return pack_header(message.TYPE, len(smaller), compressed=True) + smaller
    return pack_header(message.TYPE, len(payload)) + payload


def _refusal(type_: int, error: Exception) -> ProtocolError:
    if isinstance(error, msgspec.ValidationError):
        return ProtocolError(codes.BAD_MESSAGE, _reason(_BY_TYPE[type_], str(error)))
    return ProtocolError(codes.BAD_FRAME, f"malformed MessagePack: {error}")


def _reason(cls: type[Message], error: str) -> str:
    """msgspec's words, and the field that they are about: ``Expected `str` … - at `$.visited[...]` ``."""
    missing = "Object missing required field `"
    if error.startswith(missing):
        return f"field {cls.__name__}.{error[len(missing) : -1]} is missing"
    reason, _, path = error.rpartition(" - at `$.")
    if not reason:
        return f"payload must be a map: {error}"
    return f"field {cls.__name__}.{path.rstrip('`').partition('[')[0]} is wrong: {reason}"


class Decoder:
    """Frames of one stream, however its bytes are split or joined.

    Call `feed` with each piece in order; it returns the messages that are complete. After a ProtocolError the stream
    is unusable: close the connection. At most one frame (1 MiB, and as much decompressed) and the last piece are held.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def unfinished(self) -> int:
        """Bytes that came of a frame whose rest did not."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Decoded]:
        """The messages completed by `data`, oldest first. Unknown fields are skipped; raises ProtocolError for all
        else."""
        buffer = self._buffer
        buffer += data
        decoded: list[Decoded] = []
        offset = 0
        while len(buffer) - offset >= HEADER_SIZE:
            type_, length, compressed = unpack_header(buffer, offset)
            decoder = _DECODERS.get(type_)
            if decoder is None:
                raise ProtocolError(codes.UNKNOWN_TYPE, f"type {type_:#04x} is unknown")
            end = offset + HEADER_SIZE + length
            if len(buffer) < end:
                break
            payload: bytes | bytearray = buffer[offset + HEADER_SIZE : end]
            if compressed:
                payload = decompress(payload)
            try:
                message = decoder.decode(payload)
            except _MALFORMED as error:
                raise _refusal(type_, error) from error
            decoded.append((message, HEADER_SIZE + len(payload)))
            offset = end
        del buffer[:offset]
        return decoded
