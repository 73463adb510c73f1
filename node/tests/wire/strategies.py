"""Hypothesis strategies for messages, derived from the limits in their annotations."""

from __future__ import annotations

import dataclasses
import typing
from typing import Annotated, Any

from hypothesis import strategies as st

from macula.identity import NodeId
from macula.wire import MESSAGES, Message
from macula.wire.limits import Items, Range, Size

TEXT = st.characters(codec="utf-8")


def of_annotation(annotation: Any) -> st.SearchStrategy[Any]:
    """Values that the annotation allows, its limits included; lengths up to 40 apart from those."""
    limits: dict[type, Any] = {}
    if typing.get_origin(annotation) is Annotated:
        annotation, *rest = typing.get_args(annotation)
        limits = {type(limit): limit for limit in rest}
    if typing.get_origin(annotation) is tuple:
        item = of_annotation(typing.get_args(annotation)[0])
        return st.lists(item, max_size=min(limits[Items].most, 5)).map(tuple)
    if annotation is NodeId:
        return st.binary(min_size=32, max_size=32).map(NodeId)
    if annotation is bool:
        return st.booleans()
    if annotation is int:
        bounds = limits[Range]
        return st.integers(bounds.least, bounds.most) | st.sampled_from([bounds.least, bounds.most])
    size = limits.get(Size, Size(0, 1 << 16))
    most = min(size.most, max(40, size.least))
    if annotation is bytes:
        return st.binary(min_size=size.least, max_size=most) | st.sampled_from([bytes(size.least), bytes(size.most)])
    longest = "\U0001f600" * size.most
    return st.text(TEXT, min_size=size.least, max_size=most) | st.just(longest)


def of_message(cls: type[Message]) -> st.SearchStrategy[Message]:
    """Any message of this type."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return st.builds(cls, *(of_annotation(hints[field.name]) for field in dataclasses.fields(cls)))


messages: st.SearchStrategy[Message] = st.sampled_from(MESSAGES).flatmap(of_message)
