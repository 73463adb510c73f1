"""Application values: round trips, and the same limits both ways."""

from __future__ import annotations

import random
from collections import OrderedDict
from enum import StrEnum
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from macula.errors import ArgumentError, ProtocolError
from macula.identity import NodeId
from macula.wire import decode_value, encode_value
from macula.wire.values import MAX_DEPTH, MAX_ITEMS, MAX_VALUE

text = st.text(st.characters(codec="utf-8"), max_size=20)
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | text
    | st.binary(max_size=20)
)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(text, inner, max_size=5), max_leaves=30
)


def nested(depth: int) -> Any:
    value: Any = 1
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


@given(values)
def test_any_value_survives_a_round_trip(value: Any) -> None:
    assert decode_value(encode_value("args", value)) == value


def test_subclasses_arrive_as_what_they_derive_from() -> None:
    class Unit(StrEnum):
        CELSIUS = "celsius"

    value = {"unit": Unit.CELSIUS, "node": NodeId(bytes(32)), "pair": (1, 2), "map": OrderedDict(a=1)}
    arrived = decode_value(encode_value("args", value))
    assert arrived == {"unit": "celsius", "node": bytes(32), "pair": [1, 2], "map": {"a": 1}}
    assert [type(item) for item in arrived.values()] == [str, bytes, list, dict]


@pytest.mark.parametrize(
    "value",
    [
        object(),
        {1, 2},
        1j,
        2**64,
        -(2**63) - 1,
        "\ud800",
        {1: 2},
        {b"a": 2},
        [OrderedDict([(1, 2)])],
        {None: 2},
        msgpack.ExtType(5, b""),
        [msgpack.ExtType(5, b"abc")],
        {"at": msgpack.Timestamp(1)},
        nested(MAX_DEPTH + 1),
        nested(600),
    ],
    ids=lambda value: f"{value!r:.30}",
)
def test_what_is_no_value_is_an_argument_error_that_names_it(value: Any) -> None:
    with pytest.raises(ArgumentError, match=r"^args: "):
        encode_value("args", value)


def test_a_value_that_holds_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(ArgumentError, match=r"^args: "):
        encode_value("args", value)


def test_the_deepest_and_the_largest_value_pass() -> None:
    deepest = nested(MAX_DEPTH)
    assert decode_value(encode_value("args", deepest)) == deepest
    largest = bytes(MAX_VALUE - 5)
    assert len(encode_value("args", largest)) == MAX_VALUE
    assert decode_value(encode_value("args", largest)) == largest
    with pytest.raises(ArgumentError, match=f"args: must have at most {MAX_VALUE} bytes when encoded"):
        encode_value("args", bytes(MAX_VALUE - 4))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "malformed"),
        (b"\xc1", "malformed"),
        (b"\x01\x01", "malformed"),
        (b"\xa1\xff", "malformed"),
        (b"\xdd\xff\xff\xff\xff", "malformed"),
        (b"\x81\x01\x01", "malformed"),
        (b"\x81\xc4\x01a\x01", "map keys must be strings"),
        (b"\x91\xc7\x00\x05", "extensions are not allowed"),
        (b"\xd6\xff\x00\x00\x00\x01", "malformed"),
        (b"\x91" * (MAX_DEPTH + 1) + b"\x01", "nested too deeply"),
        (b"\x91" * 100_000 + b"\x01", "malformed"),
    ],
)
def test_malformed_bytes_are_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ProtocolError, match=reason):
        decode_value(data)


def test_random_bytes_are_a_value_or_refused() -> None:
    rng = random.Random(1)
    decoded = 0
    for _ in range(2000):
        try:
            value = decode_value(rng.randbytes(rng.randrange(1, 12)))
        except ProtocolError:
            continue
        encode_value("args", value)
        decoded += 1
    assert decoded > 50


@pytest.mark.parametrize("value", [[{}] * (MAX_ITEMS + 1), [[0] * 1000] * 132])
def test_the_elements_of_a_value_are_counted_over_all_its_containers(value: list[object]) -> None:
    with pytest.raises(ArgumentError, match="too many elements"):
        encode_value("args", value)
    with pytest.raises(ProtocolError, match=r"too many elements|exceeds max_array_len"):
        decode_value(msgpack.packb(value))
    assert decode_value(encode_value("args", [0] * MAX_ITEMS)) == [0] * MAX_ITEMS
