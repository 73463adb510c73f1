"""Messages to frames and back, and every limit in both directions."""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import replace
from typing import Annotated, Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from macula.errors import ArgumentError, ProtocolError
from macula.identity import NodeId
from macula.wire import MESSAGES, Decoder, Message, codes, encode
from macula.wire.codec import decode_payload
from macula.wire.header import MAX_PAYLOAD, pack_header
from macula.wire.limits import Items, Range, Size
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


@given(st.lists(messages, max_size=6), st.data())
def test_messages_survive_any_splitting_and_joining(sent: list[Message], data: st.DataObject) -> None:
    stream = b"".join(encode(message) for message in sent)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=12).map(sorted))
    decoder = Decoder()
    received = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        received += decoder.feed(stream[start:end])
    assert [decoded.message for decoded in received] == sent
    assert [decoded.size for decoded in received] == [len(encode(message)) for message in sent]


def test_messages_survive_one_byte_at_a_time() -> None:
    decoder = Decoder()
    received = []
    for message, _ in VECTORS:
        for byte in encode(message):
            received += decoder.feed(bytes([byte]))
    assert [decoded.message for decoded in received] == [message for message, _ in VECTORS]


def test_a_decoded_message_holds_the_declared_types() -> None:
    [decoded] = Decoder().feed(encode(EXAMPLES[RpcRoute]))
    route: Any = decoded.message
    assert type(route.source_node_id) is NodeId
    assert type(route.visited) is tuple
    assert all(type(node) is NodeId for node in route.visited)


def test_unknown_fields_are_left_out() -> None:
    payload = payload_of(Ping(1), later=[1, {"a": b"b"}])
    assert decode_payload(Ping.TYPE, payload) == Ping(1)


def test_a_frame_of_exactly_one_mebibyte_passes_and_a_byte_more_does_not() -> None:
    def publish(size: int) -> Publish:
        return Publish("io.test", "io.test.topic", bytes(size), 0, 0, 0, 0)

    room = MAX_PAYLOAD - len(encode(publish(1 << 17))) + 8 + (1 << 17)
    frame = encode(publish(room))
    assert len(frame) == 1 << 20
    assert Decoder().feed(frame)[0].size == 1 << 20
    with pytest.raises(
        ArgumentError, match=r"message: payload of Publish must have at most 1048568 bytes, has 1048569"
    ):
        encode(publish(room + 1))


# --- Every field of every message


FIELDS = [
    (cls, field.name, typing.get_type_hints(cls, include_extras=True)[field.name])
    for cls in MESSAGES
    for field in dataclasses.fields(cls)
]
IDS = [f"{cls.__name__}.{name}" for cls, name, _ in FIELDS]


def wrong_values(annotation: Any) -> list[Any]:
    """Raw values that a field must refuse: every other type, and one step over each limit."""
    limits: list[Any] = []
    if typing.get_origin(annotation) is Annotated:
        annotation, *limits = typing.get_args(annotation)
    kinds: dict[Any, Any] = {bool: True, int: 1, float: 1.0, str: "a" * 16, bytes: b"a" * 16, None: None, dict: {}}
    wrong: list[Any] = [value for kind, value in kinds.items() if kind is not annotation]
    if typing.get_origin(annotation) is tuple:
        item = typing.get_args(annotation)[0]
        wrong += [[value] for value in wrong_values(item)]
        most = next(limit.most for limit in limits if isinstance(limit, Items))
        good = b"a" * 32 if item is NodeId or bytes in typing.get_args(item) else "a"
        return [*wrong, [good] * (most + 1)]
    wrong.append([])
    if annotation is NodeId:
        return [*wrong, b"", bytes(31), bytes(33)]
    for limit in limits:
        match limit:
            case Range(least, most):
                wrong += [value for value in (least - 1, most + 1) if -(2**63) <= value < 2**64]
            case Size(least, most):
                unit: Any = b"a" if annotation is bytes else "a"
                wrong += [unit * (most + 1)] + ([unit * (least - 1)] if least else [])
    return wrong


@pytest.mark.parametrize(("cls", "name", "annotation"), FIELDS, ids=IDS)
def test_a_wrong_value_is_refused_naming_the_field(cls: type[Message], name: str, annotation: Any) -> None:
    for value in [*wrong_values(annotation), ...]:
        payload = payload_of(EXAMPLES[cls], **{name: value})
        with pytest.raises(ProtocolError, match=rf"field {cls.__name__}\.{name} ") as caught:
            decode_payload(cls.TYPE, payload)
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
        (0x03, b"\x90", codes.BAD_MESSAGE, "payload must be a map, is list"),
        (0x03, b"\x01", codes.BAD_MESSAGE, "payload must be a map, is int"),
        (0x03, b"\x80", codes.BAD_MESSAGE, r"field Ping\.request is missing"),
        (0x03, b"\x80\x80", codes.BAD_FRAME, "malformed MessagePack"),
        (0x03, b"\x81\x01\x01", codes.BAD_FRAME, "malformed MessagePack"),
        (0x03, b"\x81\xc4\x01a\x01", codes.BAD_FRAME, "map keys must be strings"),
        (0x03, b"\x81\xa1\xff\x01", codes.BAD_FRAME, "malformed MessagePack"),
        (0x03, b"\x81\xa1a\x91\x91\x91\x91\x01", codes.BAD_FRAME, "nested too deeply"),
        (0x03, b"\x81\xa1a" + b"\x91" * 5000 + b"\x01", codes.BAD_FRAME, "malformed MessagePack"),
        (0x03, b"\x81\xa1a\xdc\x01\x01" + bytes(257), codes.BAD_FRAME, "malformed MessagePack: 257 exceeds"),
        (0x03, b"\x81\xa1a\xd4\x05a", codes.BAD_FRAME, "malformed MessagePack"),
        (0x03, b"\x81\xa1a\xc7\x00\x05", codes.BAD_FRAME, "extensions are not allowed"),
        (0x03, b"\x81\xa1a\xd6\xff\x00\x00\x00\x01", codes.BAD_FRAME, "malformed MessagePack"),
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
