"""Realms that nodes serve and share."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from macula.identity.realms import ANY_REALM, common_realm, serves

REALMS = st.one_of(st.just((ANY_REALM,)), st.lists(st.sampled_from(["a", "b", "io.c"]), unique=True).map(tuple))


def test_a_node_serves_its_realms_or_any() -> None:
    assert serves(("a", "b"), "b")
    assert serves((ANY_REALM,), "b")
    assert not serves(("a",), "b")
    assert not serves((), "b")
    assert not serves(("a",), ANY_REALM)


@pytest.mark.parametrize(
    ("ours", "theirs", "common"),
    [
        (("a",), ("a",), "a"),
        (("a",), ("b",), None),
        (("io.c", "a"), ("b", "a"), "a"),
        (("a",), (ANY_REALM,), "a"),
        ((ANY_REALM,), ("a",), "a"),
        ((ANY_REALM,), (ANY_REALM,), ANY_REALM),
        (("a",), (), None),
        ((ANY_REALM,), (), None),
        ((ANY_REALM,), ("", "no name!"), None),
    ],
)
def test_common_realm(ours: tuple[str, ...], theirs: tuple[str, ...], common: str | None) -> None:
    assert common_realm(ours, theirs) == common


@given(REALMS, REALMS)
def test_both_sides_agree_whether_they_share_a_realm(ours: tuple[str, ...], theirs: tuple[str, ...]) -> None:
    common = common_realm(ours, theirs)
    assert (common is None) == (common_realm(theirs, ours) is None)
    assert common is None or (serves(ours, common) and serves(theirs, common))
