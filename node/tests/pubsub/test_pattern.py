from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from macula.errors import ArgumentError
from macula.pubsub.pattern import parse_pattern, parse_topic, prefixes

LITERALS = st.sampled_from(["a", "b", "c"])
TOPICS = st.lists(LITERALS, min_size=2, max_size=9)
PATTERNS = st.tuples(
    st.lists(LITERALS, min_size=2, max_size=3),
    st.lists(st.sampled_from(["a", "b", "*", "**"]), max_size=6),
)


def reference(pattern: list[str], topic: list[str]) -> bool:
    if not pattern:
        return not topic
    if pattern[0] == "**":
        return any(reference(pattern[1:], topic[i:]) for i in range(len(topic) + 1))
    return bool(topic) and pattern[0] in ("*", topic[0]) and reference(pattern[1:], topic[1:])


@given(PATTERNS, TOPICS)
def test_matching_agrees_with_the_definition(parts: tuple[list[str], list[str]], topic: list[str]) -> None:
    pattern = parse_pattern("pattern", ".".join(parts[0] + parts[1]))
    assert pattern.matches(tuple(topic)) == reference(parts[0] + parts[1], topic)


@given(PATTERNS, TOPICS)
def test_what_matches_is_found_under_its_prefix(parts: tuple[list[str], list[str]], topic: list[str]) -> None:
    pattern = parse_pattern("pattern", ".".join(parts[0] + parts[1]))
    if pattern.matches(tuple(topic)):
        assert pattern.prefix in prefixes(tuple(topic))


@pytest.mark.parametrize(
    ("pattern", "topic", "matches"),
    [
        ("io.app.*", "io.app.x", True),
        ("io.app.*", "io.app", False),
        ("io.app.*", "io.app.x.y", False),
        ("io.app.**", "io.app", True),
        ("io.app.**", "io.app.x.y", True),
        ("io.app.**.y", "io.app.x.y.z.y", True),
        ("io.app.**.y.*", "io.app.y.y.z.y", False),
        ("io.app.x", "io.app.x", True),
        ("io.app.x", "io.app.y", False),
    ],
)
def test_examples(pattern: str, topic: str, matches: bool) -> None:
    assert parse_pattern("pattern", pattern).matches(tuple(topic.split("."))) is matches


def test_a_hostile_pattern_is_matched_in_no_time() -> None:
    pattern = parse_pattern("pattern", ".".join(["a", "a", *["**", "a"] * 6, "b"]))
    assert not pattern.matches(("a",) * 16)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("*.a.b", "at least 2 segments without wildcard"),
        ("a.*", "at least 2 segments without wildcard, 'a.*' has 1"),
        ("a", "has 1"),
        ("", "segment ''"),
        ("a.b.c*", "segment 'c*'"),
        ("a.b.***", "segment"),
        (".".join("a" * 17), "at most 16 segments, has 17"),
        ("a." + "b" * 254, "at most 255 characters, has 256"),
    ],
)
def test_a_wrong_pattern_is_named(text: str, reason: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        parse_pattern("pattern", text)
    assert caught.value.field == "pattern"
    assert reason in caught.value.reason


@pytest.mark.parametrize("text", ["a", "a.*", "a.**", "a..b", "a.b."])
def test_a_topic_has_two_segments_and_no_wildcard(text: str) -> None:
    with pytest.raises(ArgumentError, match="topic"):
        parse_topic("topic", text)


def test_prefixes_of_a_topic() -> None:
    assert prefixes(parse_topic("topic", "a.b.c.d")) == ["a.b", "a.b.c", "a.b.c.d"]
