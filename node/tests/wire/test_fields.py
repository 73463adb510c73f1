"""Checks compiled from annotations."""

from __future__ import annotations

from typing import Annotated, Any

import pytest

from macula.errors import ProtocolError
from macula.identity import NodeId
from macula.wire.fields import compile_check
from macula.wire.limits import Items, Range, Size

NODE = bytes(range(32))


@pytest.mark.parametrize(
    ("annotation", "raw", "value"),
    [
        (bool, True, True),
        (Annotated[int, Range(1, 3)], 3, 3),
        (str, "", ""),
        (bytes, b"abc", b"abc"),
        (Annotated[str, Size(1, 2)], "éé", "éé"),
        (NodeId, NODE, NodeId(NODE)),
        (Annotated[tuple[NodeId, ...], Items(2)], [NODE, NODE], (NodeId(NODE), NodeId(NODE))),
        (Annotated[tuple[Annotated[bytes, Size(1, 1)], ...], Items(2)], (b"a",), (b"a",)),
    ],
)
def test_a_good_value_gets_its_type(annotation: Any, raw: Any, value: Any) -> None:
    checked = compile_check("M.f", annotation)(raw)
    assert checked == value
    assert type(checked) is type(value)


@pytest.mark.parametrize(
    ("annotation", "raw", "reason"),
    [
        (bool, 1, "must be bool, is int"),
        (Annotated[int, Range(1, 3)], True, "must be int, is bool"),
        (Annotated[int, Range(1, 3)], 4, "must be 1 to 3, is 4"),
        (Annotated[int, Range(1, 3)], 1.0, "must be int, is float"),
        (str, b"", "must be str, is bytes"),
        (Annotated[str, Size(1, 2)], "", "must have a length of 1 to 2, has 0"),
        (Annotated[bytes, Size(1, 2)], b"abc", "must have a length of 1 to 2, has 3"),
        (Annotated[bytes, Size(1, 2)], None, "must be bytes, is NoneType"),
        (NodeId, bytes(31), "must be a node id of 32 bytes"),
        (Annotated[tuple[NodeId, ...], Items(2)], [NODE] * 3, "must have at most 2 elements, has 3"),
        (Annotated[tuple[NodeId, ...], Items(2)], [NODE, 1], "must be a node id of 32 bytes"),
        (Annotated[tuple[NodeId, ...], Items(2)], NODE, "must be an array, is bytes"),
    ],
)
def test_a_bad_value_is_refused_with_the_limit(annotation: Any, raw: Any, reason: str) -> None:
    with pytest.raises(ProtocolError, match=f"field M.f {reason}"):
        compile_check("M.f", annotation)(raw)
