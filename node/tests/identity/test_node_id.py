"""Node ids and their text form."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from macula.errors import ArgumentError
from macula.identity import NodeId

keys = st.binary(min_size=32, max_size=32)
ZERO = "a" * 52


@given(keys)
def test_the_text_form_names_one_key(key: bytes) -> None:
    node = NodeId(key)
    text = str(node)
    assert len(text) == 52
    assert text == text.lower()
    assert NodeId.parse(text) == NodeId.parse(text.upper()) == node == key
    assert node.short == text[:10]
    assert repr(node) == f"NodeId({text[:10]}…)"


def test_known_text() -> None:
    # RFC 4648 base32 of the bytes 0 to 31.
    assert str(NodeId(bytes(range(32)))) == "aaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dypq"


@given(keys)
def test_the_position_is_the_hash_of_the_key(key: bytes) -> None:
    assert NodeId(key).position.to_bytes(32, "big") == hashlib.sha256(key).digest()


@pytest.mark.parametrize("size", [0, 31, 33])
def test_another_size_is_an_error(size: int) -> None:
    with pytest.raises(ArgumentError, match=f"node_id: must have 32 bytes, has {size}"):
        NodeId(bytes(size))


@pytest.mark.parametrize(
    "text",
    ["", "a", "a" * 51, "a" * 53, "1" * 52, " " + ZERO[1:], "ı" * 52, "é" * 52, "=" * 52, ZERO[:-2] + "==", "a\n" * 26],
)
def test_other_text_is_an_error(text: str) -> None:
    with pytest.raises(ArgumentError, match=r"^node_id: "):
        NodeId.parse(text)


def test_only_one_text_names_a_key() -> None:
    # The last character carries one bit of the key and four that must be zero.
    accepted = []
    for last in "abcdefghijklmnopqrstuvwxyz234567":
        try:
            accepted.append(NodeId.parse(ZERO[:-1] + last)[-1])
        except ArgumentError:
            continue
    assert accepted == [0, 1]


@given(st.text(min_size=52, max_size=52))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        node = NodeId.parse(text)
    except ArgumentError:
        return
    assert str(node) == text.lower()
