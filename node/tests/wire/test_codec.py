"""Messages to frames and back, and every limit in both directions."""

from __future__ import annotations

import tracemalloc
import typing
from typing import Annotated, Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta
from msgspec.structs import replace

from macula.errors import ArgumentError, ProtocolError
from macula.wire import MESSAGES, Decoder, Message, codes, encode
from macula.wire.header import MAX_PAYLOAD, pack_header
from macula.wire.messages import Call, FindNode, Ping, Publish, RpcRoute

from .strategies import messages
from .vectors import ID, KEY, VECTORS

EXAMPLES: dict[type[Message], Message] = {type(message): message for message, _ in VECTORS}


def payload_of(message: Message, **changes: Any) -> bytes:
    """The payload of a message with some raw values changed, or left out (...)."""
    body = msgpack.unpackb(encode(message)[8:]) | changes
    data: bytes = msgpack.packb({name: value for name, value in body.items() if value is not ...})
    return data


@given(messages)
def test_any_message_survives_a_round_trip(message: Message) -> None:
    frame = encode(message)
    assert Decoder().feed(frame) == [(message, len(frame))]


def decoded(type_: int, payload: bytes) -> Message:
    """The message of a frame with this payload."""
    [(message, _)] = Decoder().feed(pack_header(type_, len(payload)) + payload)
    return message


@given(st.lists(messages, max_size=6), st.data())
def test_messages_survive_any_splitting_and_joining(sent: list[Message], data: st.DataObject) -> None:
    stream = b"".join(encode(message) for message in sent)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=12).map(sorted))
    decoder = Decoder()
    received = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        received += decoder.feed(stream[start:end])
    assert [message for message, _ in received] == sent
    assert [size for _, size in received] == [len(encode(message)) for message in sent]


def test_messages_survive_one_byte_at_a_time() -> None:
    decoder = Decoder()
    received = []
    for message, _ in VECTORS:
        for byte in encode(message):
            received += decoder.feed(bytes([byte]))
    assert [message for message, _ in received] == [message for message, _ in VECTORS]


def test_a_decoded_message_holds_the_declared_types() -> None:
    route: Any
    [(route, _)] = Decoder().feed(encode(EXAMPLES[RpcRoute]))
    assert type(route.source_node_id) is bytes
    assert type(route.visited) is tuple
    assert all(type(node) is bytes for node in route.visited)


@pytest.mark.parametrize(
    "value",
    [[1, {"a": b"b"}], {1: None}, [[[[[]]]]], [0] * 1000, msgpack.ExtType(5, b"a"), msgpack.Timestamp(1)],
    ids=str,
)
def test_unknown_fields_are_skipped_whatever_they_hold(value: Any) -> None:
    assert decoded(Ping.TYPE, payload_of(Ping(1), later=value)) == Ping(1)


def test_what_is_skipped_is_not_built() -> None:
    payload = payload_of(Ping(1), later=[[]] * 500_000)
    frame = pack_header(Ping.TYPE, len(payload)) + payload
    decoder = Decoder()
    tracemalloc.start()
    try:
        assert decoder.feed(frame) == [(Ping(1), len(frame))]
        held = 2 * len(frame)  # what came, and the payload out of it; as lists these would be thirty times as much
        assert tracemalloc.get_traced_memory()[1] < held + 64 * 1024
    finally:
        tracemalloc.stop()


def test_a_frame_of_exactly_one_mebibyte_passes_and_a_byte_more_does_not() -> None:
    def publish(size: int) -> Publish:
        return Publish("io.test", "io.test.topic", bytes(size), 0, 0, 0, 0)

    room = MAX_PAYLOAD - len(encode(publish(1 << 17))) + 8 + (1 << 17)
    frame = encode(publish(room))
    assert len(frame) == 1 << 20
    assert Decoder().feed(frame)[0][1] == 1 << 20
    with pytest.raises(
        ArgumentError, match=r"message: payload of Publish must have at most 1048568 bytes, has 1048569"
    ):
        encode(publish(room + 1))


# --- Every field of every message


FIELDS = [
    (cls, name, typing.get_type_hints(cls, include_extras=True)[name])
    for cls in MESSAGES
    for name in cls.__struct_fields__
]
IDS = [f"{cls.__name__}.{name}" for cls, name, _ in FIELDS]


def wrong_values(annotation: Any) -> list[Any]:
    """Raw values that a field must refuse: every other type, and one step over each limit."""
    limits = Meta()
    if typing.get_origin(annotation) is Annotated:
        annotation, limits = typing.get_args(annotation)
    kinds: dict[Any, Any] = {bool: True, int: 1, float: 1.0, str: "a" * 16, bytes: b"a" * 16, None: None, dict: {}}
    wrong: list[Any] = [value for kind, value in kinds.items() if kind is not annotation]
    if typing.get_origin(annotation) is tuple:
        item = typing.get_args(annotation)[0]
        wrong += [[value] for value in wrong_values(item)]
        good = b"a" * 32 if bytes in typing.get_args(item) else "a"
        return [*wrong, [good] * ((limits.max_length or 0) + 1)]
    wrong.append([])
    unit: Any = b"a" if annotation is bytes else "a"
    if limits.ge is not None and limits.le is not None:
        wrong += [limits.ge - 1, limits.le + 1]
    if limits.max_length is not None:
        wrong.append(unit * (limits.max_length + 1))
    if limits.min_length:
        wrong.append(unit * (limits.min_length - 1))
    return wrong


@pytest.mark.parametrize(("cls", "name", "annotation"), FIELDS, ids=IDS)
def test_a_wrong_value_is_refused_naming_the_field(cls: type[Message], name: str, annotation: Any) -> None:
    missing = [] if name in ("traceparent", "known") else [...]
    for value in [*wrong_values(annotation), *missing]:
        payload = payload_of(EXAMPLES[cls], **{name: value})
        with pytest.raises(ProtocolError, match=rf"field {cls.__name__}\.{name} ") as caught:
            decoded(cls.TYPE, payload)
        assert caught.value.code == codes.BAD_MESSAGE


@pytest.mark.parametrize(("cls", "name", "annotation"), FIELDS, ids=IDS)
def test_a_wrong_value_cannot_be_encoded(cls: type[Message], name: str, annotation: Any) -> None:
    for value in wrong_values(annotation):
        changed: Any = replace(EXAMPLES[cls], **{name: value})
        with pytest.raises(ArgumentError, match=rf"message: field {cls.__name__}\.{name} "):
            encode(changed)


def test_text_that_is_not_unicode_cannot_be_encoded() -> None:
    with pytest.raises(ArgumentError, match="message: Call is not Unicode text"):
        encode(Call("io.test", ID, "io.\ud800", b"", 1))


# --- Frames that are no messages


@pytest.mark.parametrize(
    ("type_", "payload", "code", "reason"),
    [
        (0x7F, b"\x80", codes.UNKNOWN_TYPE, "type 0x7f is unknown"),
        (0x03, b"", codes.BAD_FRAME, "malformed MessagePack"),
        (0x03, b"\xc1", codes.BAD_FRAME, "malformed MessagePack"),
        (0x03, b"\x90", codes.BAD_MESSAGE, "payload must be a map: Expected `object`, got `array`"),
        (0x03, b"\x01", codes.BAD_MESSAGE, "payload must be a map: Expected `object`, got `int`"),
        (0x03, b"\x80", codes.BAD_MESSAGE, r"field Ping\.request is missing"),
        (0x03, b"\x81\xa7request\x01\x80", codes.BAD_FRAME, "malformed MessagePack: .* trailing characters"),
        (0x03, b"\x81\x01\x01", codes.BAD_MESSAGE, "payload must be a map: Expected `str`"),
        (0x03, b"\x81\xc4\x01a\x01", codes.BAD_MESSAGE, "payload must be a map: Expected `str`"),
        (0x03, b"\x81\xa1\xff\x01", codes.BAD_MESSAGE, r"field Ping\.request is missing"),
        (
            0x03,
            b"\x81\xa7request\xd4\x05a",
            codes.BAD_MESSAGE,
            r"field Ping\.request is wrong: Expected `int`, got `ext`",
        ),
        (0x03, b"\x81\xa1a" + b"\x91" * 5000 + b"\x01", codes.BAD_FRAME, "malformed MessagePack"),
    ],
)
def test_a_malformed_payload_is_refused(type_: int, payload: bytes, code: str, reason: str) -> None:
    with pytest.raises(ProtocolError, match=reason) as caught:
        Decoder().feed(pack_header(type_, len(payload)) + payload)
    assert caught.value.code == code


def test_an_unknown_type_is_refused_before_its_payload_comes() -> None:
    with pytest.raises(ProtocolError, match="type 0x11 is unknown"):
        Decoder().feed(pack_header(0x11, 1000))


def test_the_wrong_length_shows_in_the_next_frame() -> None:
    frame = encode(FindNode("io.test", 1, KEY))
    long = pack_header(FindNode.TYPE, len(frame) - 7) + frame[8:]
    decoder = Decoder()
    assert decoder.feed(long) == []
    with pytest.raises(ProtocolError, match="malformed MessagePack"):
        decoder.feed(frame)
