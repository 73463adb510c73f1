"""Names of realms, procedures, topics and nodes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from macula.errors import ArgumentError
from macula.identity.names import check_name, is_name


@pytest.mark.parametrize("name", ["a", "io.test", "A-Z_09.x", ".".join("a" * 16), "a" * 255])
def test_names(name: str) -> None:
    assert check_name("realm", name) == name
    assert is_name(name)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "segment '' of '' must be letters, digits, _ or -"),
        ("a..b", "segment ''"),
        (".a", "segment ''"),
        ("a.", "segment ''"),
        ("a b", "segment 'a b'"),
        ("a\n", r"segment 'a\\n'"),
        ("*", r"segment '\*'"),
        ("é", "segment 'é'"),
        ("a" * 256, "must have at most 255 characters, has 256"),
        (".".join("a" * 17), "must have at most 16 segments, has 17"),
    ],
)
def test_other_text_is_an_error_that_names_the_field_and_the_limit(name: str, reason: str) -> None:
    with pytest.raises(ArgumentError, match=f"^realm: {reason}"):
        check_name("realm", name)
    assert not is_name(name)


@given(st.text(max_size=300))
def test_a_name_is_ascii_and_bounded(name: str) -> None:
    if is_name(name):
        assert name.isascii()
        assert name.isprintable()
        assert 1 <= len(name) <= 255
