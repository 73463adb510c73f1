"""Topics, and the patterns that match them.

Both are dot-separated segments. In a pattern `*` stands for one segment and `**` for any number, also none. A pattern
starts with literal segments, its prefix, under which its subscription is found in the DHT.
"""

from __future__ import annotations

from dataclasses import dataclass

from macula.errors import ArgumentError
from macula.identity.names import MAX_NAME, MAX_SEGMENTS, check_name

ONE = "*"
ANY = "**"
MIN_PREFIX = 2
"""Fewest literal segments at the start of a pattern, so that no single key of the DHT attracts all subscriptions."""

Segments = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pattern:
    """A parsed pattern. `prefix` is what comes before the first wildcard, or the whole topic if there is none."""

    text: str
    prefix: str
    segments: Segments

    def matches(self, topic: Segments) -> bool:
        """Whether the topic matches. O(pattern * topic) for any pattern, since patterns come from strangers: on a
        mismatch only the last `**` needs to take one segment more."""
        own = self.segments
        at = read = 0
        retry_at = retry_read = -1
        while read < len(topic):
            if at < len(own) and own[at] == ANY:
                retry_at, retry_read = at + 1, read
                at += 1
            elif at < len(own) and own[at] in (ONE, topic[read]):
                at += 1
                read += 1
            elif retry_at >= 0:
                retry_read += 1
                at, read = retry_at, retry_read
            else:
                return False
        return all(segment == ANY for segment in own[at:])


def parse_pattern(field: str, text: str) -> Pattern:
    """The pattern written as `text`. Raises ArgumentError naming `field` and the limit it breaks."""
    if len(text) > MAX_NAME:
        raise ArgumentError(field, f"must have at most {MAX_NAME} characters, has {len(text)}")
    segments = tuple(text.split("."))
    if len(segments) > MAX_SEGMENTS:
        raise ArgumentError(field, f"must have at most {MAX_SEGMENTS} segments, has {len(segments)}")
    literal = 0
    for index, segment in enumerate(segments):
        if segment not in (ONE, ANY):
            check_name(field, segment)
            literal += literal == index
    if literal < MIN_PREFIX:
        raise ArgumentError(
            field, f"must start with at least {MIN_PREFIX} segments without wildcard, {text!r} has {literal}"
        )
    return Pattern(text, ".".join(segments[:literal]), segments)


def parse_topic(field: str, text: str) -> Segments:
    """The segments of a topic that events can be published on. Raises ArgumentError naming `field` and the limit."""
    segments = tuple(check_name(field, text).split("."))
    if len(segments) < MIN_PREFIX:
        raise ArgumentError(field, f"must have at least {MIN_PREFIX} segments, {text!r} has {len(segments)}")
    return segments


def prefixes(topic: Segments) -> list[str]:
    """Every name under which a subscription that matches the topic can stand in the DHT, shortest first."""
    return [".".join(topic[:size]) for size in range(MIN_PREFIX, len(topic) + 1)]
