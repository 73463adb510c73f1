from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from macula.core.effects import Trace
from macula.engine.notices import refusal
from macula.identity import NodeId
from macula.runtime import log_format
from macula.runtime.logs import Limiter, TraceLog

from .logging_state import logging_as_before


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    with logging_as_before():
        yield io.StringIO()


def test_everyday_work_is_logged_only_when_asked_for(stream: io.StringIO) -> None:
    log_format.configure("info", "text", stream)
    TraceLog().write(Trace("call.stop", {}))
    assert stream.getvalue() == ""
    log_format.configure("debug", "text", stream)
    TraceLog().write(Trace("call.stop", {}))
    assert "call.stop" in stream.getvalue()


def test_a_limited_line_is_written_once_a_minute_with_what_was_left_out(stream: io.StringIO) -> None:
    log_format.configure("info", "json", stream)
    now = 0.0
    trace = TraceLog(clock=lambda: now)
    for _ in range(3):
        trace.write(Trace("peer.refused", {"peer": "a"}, limit="a"))
    trace.write(Trace("peer.refused", {"peer": "b"}, limit="b"))
    now = 61.0
    trace.write(Trace("peer.refused", {"peer": "a"}, limit="a"))
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["peer"], line["level"], line.get("suppressed")) for line in lines] == [
        ("a", "warning", None),
        ("b", "warning", None),
        ("a", "warning", 2),
    ]


def test_peers_that_come_and_go_in_a_loop_are_logged_a_few_times_a_minute(stream: io.StringIO) -> None:
    log_format.configure("info", "json", stream)
    now = 0.0
    trace = TraceLog(clock=lambda: now)
    for _ in range(30):
        now += 1.0
        trace.write(Trace("connection.up", {"peer": "a"}, limit="connection.up a"))
        trace.write(Trace("connection.down", {"peer": "a"}, limit="connection.down a"))
    trace.write(Trace("connection.up", {"peer": "b"}, limit="connection.up b"))
    now += 60.0
    trace.write(Trace("connection.up", {"peer": "a"}, limit="connection.up a"))
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert {line["level"] for line in lines} == {"info"}
    told = [(line["event"], line["peer"], line.get("suppressed")) for line in lines]
    assert told == [
        *[("connection.up", "a", None), ("connection.down", "a", None)] * 3,
        ("connection.up", "b", None),
        ("connection.up", "a", 27),
    ]


def test_a_fault_that_ends_a_connection_is_a_warning(stream: io.StringIO) -> None:
    log_format.configure("info", "json", stream)
    for code in ("idle", "bad_frame"):
        effect = refusal("connection.down", NodeId(bytes(32)), code, "")
        TraceLog().write(effect)
    assert [json.loads(line)["level"] for line in stream.getvalue().splitlines()] == ["info", "warning"]


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0, 30)), max_size=60), st.integers(1, 8), st.integers(1, 3)
)
def test_a_limiter_admits_no_more_than_its_lines_within_an_interval(
    steps: list[tuple[str, float]], capacity: int, lines: int
) -> None:
    limiter = Limiter(60.0, capacity)
    now = 0.0
    begun: dict[str, float] = {}
    asked: dict[str, int] = dict.fromkeys("abcdef", 0)
    told: dict[str, int] = dict.fromkeys("abcdef", 0)
    for key, pause in steps:
        now += pause
        suppressed = limiter.admit(key, now, lines)
        assert len(limiter._keys) <= capacity
        if capacity < 6:
            continue
        if now - begun.get(key, float("-inf")) >= 60.0:
            assert suppressed == max(0, asked[key] - lines)
            begun[key], asked[key], told[key] = now, 0, 0
        asked[key] += 1
        told[key] += suppressed is not None
        assert told[key] == min(asked[key], lines)
