"""Hypothesis strategies for messages, derived from the limits in their annotations."""

from __future__ import annotations

import typing
from typing import Annotated, Any

from hypothesis import strategies as st
from msgspec import Meta

from macula.wire import MESSAGES, Message

TEXT = st.characters(codec="utf-8")


def of_annotation(annotation: Any) -> st.SearchStrategy[Any]:
    """Values that the annotation allows, its limits included; lengths up to 40 apart from those."""
    limits = Meta()
    if typing.get_origin(annotation) is Annotated:
        annotation, limits = typing.get_args(annotation)
    if typing.get_origin(annotation) is tuple:
        item = of_annotation(typing.get_args(annotation)[0])
        return st.lists(item, max_size=min(limits.max_length or 0, 5)).map(tuple)
    if annotation is bool:
        return st.booleans()
    if annotation is int:
        assert isinstance(limits.ge, int)
        assert isinstance(limits.le, int)
        return st.integers(limits.ge, limits.le) | st.sampled_from([limits.ge, limits.le])
    least, longest = limits.min_length or 0, limits.max_length or 1 << 16
    most = min(longest, max(40, least))
    if annotation is bytes:
        return st.binary(min_size=least, max_size=most) | st.sampled_from([bytes(least), bytes(longest)])
    return st.text(TEXT, min_size=least, max_size=most) | st.just("\U0001f600" * longest)


def of_message(cls: type[Message]) -> st.SearchStrategy[Message]:
    """Any message of this type."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return st.builds(cls, *(of_annotation(hints[name]) for name in cls.__struct_fields__))


messages: st.SearchStrategy[Message] = st.sampled_from(MESSAGES).flatmap(of_message)
