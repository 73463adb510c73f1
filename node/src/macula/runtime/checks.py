"""Checks of arguments that several parts of the API take."""

from __future__ import annotations

from macula.errors import ArgumentError

MAX_TIMEOUT = 3600.0


def check_timeout(seconds: float) -> float:
    """`seconds`, if it is a number above 0 and at most MAX_TIMEOUT, else ArgumentError."""
    if not isinstance(seconds, int | float) or not 0 < seconds <= MAX_TIMEOUT:
        raise ArgumentError("timeout", f"must be more than 0 and at most {MAX_TIMEOUT:g} s, is {seconds!r}")
    return float(seconds)
