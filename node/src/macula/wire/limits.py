"""Limits that stand in the annotations of message fields."""

from __future__ import annotations

from dataclasses import dataclass


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
