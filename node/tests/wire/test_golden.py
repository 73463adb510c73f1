"""Bytes that never change: the vectors of version 2, and what is left of version 1."""

from __future__ import annotations

import msgpack
import pytest

from macula.errors import ProtocolError
from macula.wire import MESSAGES, Decoder, Message, codes, encode

from . import ancestor
from .ancestor import LEFT_OUT, SHARED, Shared
from .vectors import KNOWING, TRACED, VECTORS


def fields_of(cls: type[Message]) -> list[str]:
    return list(cls.__struct_fields__)


@pytest.mark.parametrize(("message", "vector"), VECTORS + TRACED + KNOWING)
def test_a_message_has_its_golden_bytes(message: Message, vector: str) -> None:
    frame = bytes.fromhex(vector)
    assert encode(message) == frame
    assert Decoder().feed(frame) == [(message, len(frame))]
    assert frame[:8] == bytes([2, message.TYPE, 0, 0]) + (len(frame) - 8).to_bytes(4, "big")
    left_out = [name for name in ("traceparent", "known") if not getattr(message, name, "")]
    assert list(msgpack.unpackb(frame[8:])) == [name for name in fields_of(type(message)) if name not in left_out]


def test_every_message_type_has_a_vector() -> None:
    assert [type(message) for message, _ in VECTORS] == list(MESSAGES)


@pytest.mark.parametrize("vector", ancestor.VECTORS, ids=lambda vector: vector.name)
def test_version_1_is_refused_by_name(vector: ancestor.Vector) -> None:
    frame = bytes.fromhex(vector.frame)
    assert len(frame) == 8 + int.from_bytes(frame[4:8], "big")
    assert msgpack.unpackb(frame[8:]) == vector.fields
    with pytest.raises(ProtocolError, match=r"version is 1, must be 2") as caught:
        Decoder().feed(frame)
    assert caught.value.code == codes.NO_COMMON_VERSION


@pytest.mark.parametrize("shared", SHARED, ids=lambda shared: shared.name)
def test_type_numbers_and_field_names_come_from_the_ancestor(shared: Shared) -> None:
    assert shared.number == shared.message.TYPE
    ours = set(fields_of(shared.message))
    assert set(shared.shared.split()) <= ours
    assert not set(shared.theirs.split()) & ours


def test_type_numbers_of_the_ancestor_mean_nothing_else() -> None:
    numbers = [cls.TYPE for cls in MESSAGES]
    assert len(set(numbers)) == len(numbers)
    assert not set(numbers) & set(LEFT_OUT)
    assert set(numbers) - {shared.number for shared in SHARED} == {0x14, *range(0x26, 0x2C), 0x45, *range(0x58, 0x60)}
