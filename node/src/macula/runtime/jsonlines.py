"""Lines of JSON on a stream, bounded, and values of the mesh as JSON."""

from __future__ import annotations

import asyncio
import base64
import json
import math
from typing import Any

from macula.errors import ArgumentError
from macula.wire.values import Value

MAX_LINE = 4 << 20
"""Longest line in bytes: room for a value of 1 MiB in the widest JSON that a client would write."""


async def read_object(reader: asyncio.StreamReader) -> dict[str, Any]:
    """The next line's object. Raises ArgumentError if it is none or too long for the stream, EOFError at its end."""
    try:
        line = await reader.readuntil(b"\n")
    except asyncio.LimitOverrunError as error:
        raise ArgumentError("request", f"must have at most {MAX_LINE} bytes") from error
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ArgumentError("request", f"is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ArgumentError("request", "must be a JSON object")
    return value


def write_object(writer: asyncio.StreamWriter, value: dict[str, Any]) -> None:
    """Queue one line. The caller drains."""
    writer.write(json.dumps(jsonable(value), ensure_ascii=False, separators=(",", ":")).encode() + b"\n")


def jsonable(value: Value) -> Any:
    """The value with what JSON lacks replaced: bytes by `{"base64": text}`, a number that is not finite by its name."""
    if isinstance(value, dict):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
