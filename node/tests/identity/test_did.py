"""DIDs of nodes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from macula.errors import ArgumentError
from macula.identity import Did, NodeId

NODE = NodeId(bytes(range(32)))
realms = st.lists(st.from_regex(r"[A-Za-z0-9_-]{1,12}", fullmatch=True), min_size=1, max_size=5).map(".".join)


@given(realms, st.binary(min_size=32, max_size=32))
def test_text_round_trip(realm: str, key: bytes) -> None:
    did = Did(realm, NodeId(key))
    assert str(did) == f"did:macula:{realm}.{NodeId(key)}"
    assert Did.parse(str(did)) == did


@pytest.mark.parametrize(
    "text",
    [
        "",
        str(NODE),
        f"io.test.{NODE}",
        f"did:web:io.test.{NODE}",
        f"did:macula:{NODE}",
        f"did:macula:.{NODE}",
        f"did:macula:io..{NODE}",
        f"did:macula:io.te st.{NODE}",
        f"did:macula:{'x' * 256}.{NODE}",
        f"did:macula:io.test.{NODE}.",
        "did:macula:io.test.service-1",
    ],
)
def test_anything_else_is_an_error(text: str) -> None:
    with pytest.raises(ArgumentError, match=r"^(did|node_id): "):
        Did.parse(text)
