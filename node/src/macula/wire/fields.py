"""Checks of message fields, compiled once from their annotations."""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Annotated, Any

from macula.errors import ProtocolError
from macula.identity import NodeId
from macula.wire import codes
from macula.wire.limits import Items, Range, Size

Check = Callable[[str, Any], Any]
"""Takes the field's path and the raw MessagePack value, returns the typed value or raises ProtocolError."""


def refuse(path: str, reason: str) -> ProtocolError:
    """The error for a field that breaks its annotation."""
    return ProtocolError(codes.BAD_MESSAGE, f"field {path} {reason}")


def compile_check(annotation: Any) -> Check:
    """The check for one annotation: bool, int, str, bytes, NodeId or a tuple of those, with their limits."""
    limits: tuple[Any, ...] = ()
    if typing.get_origin(annotation) is Annotated:
        annotation, *rest = typing.get_args(annotation)
        limits = tuple(rest)
    if typing.get_origin(annotation) is tuple:
        return _tuple_check(compile_check(typing.get_args(annotation)[0]), limits)
    if annotation is NodeId:
        return _node_id
    if annotation is bool:
        return _type_check(bool)
    if annotation is int:
        return _int_check(limits)
    return _sized_check(annotation, limits)


def _type_check(expected: type) -> Check:
    def check(path: str, value: Any) -> Any:
        if type(value) is not expected:
            raise refuse(path, f"must be {expected.__name__}, is {type(value).__name__}")
        return value

    return check


def _int_check(limits: tuple[Any, ...]) -> Check:
    of_type = _type_check(int)
    (bounds,) = [limit for limit in limits if isinstance(limit, Range)]

    def check(path: str, value: Any) -> Any:
        if not bounds.least <= of_type(path, value) <= bounds.most:
            raise refuse(path, f"must be {bounds.least} to {bounds.most}, is {value}")
        return value

    return check


def _sized_check(expected: type, limits: tuple[Any, ...]) -> Check:
    of_type = _type_check(expected)
    sizes = [limit for limit in limits if isinstance(limit, Size)]
    if not sizes:
        return of_type
    size = sizes[0]

    def check(path: str, value: Any) -> Any:
        if not size.least <= len(of_type(path, value)) <= size.most:
            raise refuse(path, f"must have a length of {size.least} to {size.most}, has {len(value)}")
        return value

    return check


def _tuple_check(item: Check, limits: tuple[Any, ...]) -> Check:
    (bound,) = [limit for limit in limits if isinstance(limit, Items)]

    def check(path: str, value: Any) -> Any:
        # Decoded arrays are lists; messages made by this node hold tuples.
        if type(value) is not list and type(value) is not tuple:
            raise refuse(path, f"must be an array, is {type(value).__name__}")
        if len(value) > bound.most:
            raise refuse(path, f"must have at most {bound.most} elements, has {len(value)}")
        return tuple([item(path, element) for element in value])

    return check


def _node_id(path: str, value: Any) -> Any:
    if type(value) is NodeId:
        return value
    if type(value) is not bytes or len(value) != 32:
        raise refuse(path, "must be a node id of 32 bytes")
    return NodeId(value)
