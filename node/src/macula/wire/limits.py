"""Limits that stand in the annotations of message fields, and the types that many of them have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated


@dataclass(frozen=True, slots=True)
class Size:
    """Fewest and most bytes of a `bytes`, or characters of a `str`."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Range:
    """Lowest and highest value of an `int`."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Items:
    """Most elements of a tuple."""

    most: int


Key = Annotated[bytes, Size(32, 32)]
Token = Annotated[bytes, Size(16, 16)]
Name = Annotated[str, Size(1, 255)]
Text = Annotated[str, Size(0, 1024)]
Code = Annotated[str, Size(1, 32)]
U32 = Annotated[int, Range(0, 2**32 - 1)]
U63 = Annotated[int, Range(0, 2**63 - 1)]
Record = Annotated[bytes, Size(1, 2048)]
"""An encoded signed record (core.record)."""
