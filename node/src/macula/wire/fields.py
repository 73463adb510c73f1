"""Checks of message fields, compiled once from their annotations."""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Annotated, Any

from macula.errors import ProtocolError
from macula.identity import NodeId
from macula.wire import codes
from macula.wire.limits import Items, Range, Size

Check = Callable[[Any], Any]
"""Takes a raw MessagePack value, returns the typed value or raises ProtocolError that names the field."""


def refuse(path: str, reason: str) -> ProtocolError:
    """The error for a field that breaks its annotation."""
    return ProtocolError(codes.BAD_MESSAGE, f"field {path} {reason}")


def compile_check(path: str, annotation: Any) -> Check:
    """The check of the field `path`: bool, int, str, bytes, NodeId or a tuple of those, with their limits.

    Every check is one function that tests a good value with one condition, because it runs for each field of each
    message; only what fails is looked at again, to say why.
    """
    limits: tuple[Any, ...] = ()
    if typing.get_origin(annotation) is Annotated:
        annotation, *rest = typing.get_args(annotation)
        limits = tuple(rest)
    if typing.get_origin(annotation) is tuple:
        (items,) = [limit for limit in limits if isinstance(limit, Items)]
        return _tuple_check(path, compile_check(path, typing.get_args(annotation)[0]), items.most)
    if annotation is NodeId:
        return _node_id_check(path)
    if annotation is int:
        (bounds,) = [limit for limit in limits if isinstance(limit, Range)]
        return _int_check(path, bounds.least, bounds.most)
    for limit in limits:
        if isinstance(limit, Size):
            return _sized_check(path, annotation, limit.least, limit.most)
    return _type_check(path, annotation)


def _wrong_type(path: str, expected: type, value: Any) -> ProtocolError:
    return refuse(path, f"must be {expected.__name__}, is {type(value).__name__}")


def _type_check(path: str, expected: type) -> Check:
    def check(value: Any) -> Any:
        if type(value) is expected:
            return value
        raise _wrong_type(path, expected, value)

    return check


def _int_check(path: str, least: int, most: int) -> Check:
    def check(value: Any) -> Any:
        if type(value) is int and least <= value <= most:
            return value
        if type(value) is not int:
            raise _wrong_type(path, int, value)
        raise refuse(path, f"must be {least} to {most}, is {value}")

    return check


def _sized_check(path: str, expected: type[str | bytes], least: int, most: int) -> Check:
    def check(value: Any) -> Any:
        if type(value) is expected and least <= len(value) <= most:
            return value
        if type(value) is not expected:
            raise _wrong_type(path, expected, value)
        raise refuse(path, f"must have a length of {least} to {most}, has {len(value)}")

    return check


def _tuple_check(path: str, item: Check, most: int) -> Check:
    def check(value: Any) -> Any:
        # Decoded arrays are lists; messages made by this node hold tuples.
        if type(value) is not list and type(value) is not tuple:
            raise refuse(path, f"must be an array, is {type(value).__name__}")
        if len(value) > most:
            raise refuse(path, f"must have at most {most} elements, has {len(value)}")
        return tuple([item(element) for element in value])

    return check


def _node_id_check(path: str) -> Check:
    def check(value: Any) -> Any:
        if type(value) is NodeId:
            return value
        if type(value) is bytes and len(value) == 32:
            return NodeId(value)
        raise refuse(path, "must be a node id of 32 bytes")

    return check
