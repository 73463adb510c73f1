"""Names of realms, procedures, topics and nodes: dot-separated segments."""

from __future__ import annotations

import functools
import re

from macula.errors import ArgumentError

MAX_NAME = 255
MAX_SEGMENTS = 16
_SEGMENT = re.compile(r"[A-Za-z0-9_-]+\Z")


@functools.lru_cache(1024)
def check_name(field: str, name: str) -> str:
    """`name`, if it is 1 to 16 dot-separated segments of A-Z a-z 0-9 _ - within 255 characters, else ArgumentError."""
    if len(name) > MAX_NAME:
        raise ArgumentError(field, f"must have at most {MAX_NAME} characters, has {len(name)}")
    segments = name.split(".")
    if len(segments) > MAX_SEGMENTS:
        raise ArgumentError(field, f"must have at most {MAX_SEGMENTS} segments, has {len(segments)}")
    for segment in segments:
        if not _SEGMENT.match(segment):
            raise ArgumentError(field, f"segment {segment!r} of {name!r} must be letters, digits, _ or -")
    return name


def is_name(name: str) -> bool:
    """Whether check_name would accept it."""
    try:
        check_name("name", name)
    except ArgumentError:
        return False
    return True
