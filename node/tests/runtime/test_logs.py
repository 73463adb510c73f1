from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from macula.runtime import logs
from macula.runtime.logs import Limiter, TraceLog


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    log = logging.getLogger(logs.ROOT)
    before = log.handlers[:], log.level, log.propagate
    yield io.StringIO()
    log.handlers[:], log.level, log.propagate = before


def test_a_text_line_quotes_what_could_be_mistaken(stream: io.StringIO) -> None:
    logs.configure("info", "text", stream)
    TraceLog().write("peer.up", {"peer": "ab3k", "rtt": 0.00125, "name": 'x"\nfake level=error', "none": ""})
    (line,) = stream.getvalue().splitlines()
    assert line.split(" ", 1)[1] == r'info    peer.up peer=ab3k rtt=0.00125 name="x\"\nfake level=error" none=""'


def test_a_json_line_is_an_object(stream: io.StringIO) -> None:
    logs.configure("info", "json", stream)
    TraceLog().write("peer.up", {"peer": "ab3k", "level": "spoofed"})
    value = json.loads(stream.getvalue())
    assert value.pop("time").endswith("Z")
    assert value == {"level": "info", "event": "peer.up", "peer": "ab3k"}


def test_everyday_work_is_logged_only_when_asked_for(stream: io.StringIO) -> None:
    logs.configure("info", "text", stream)
    TraceLog().write("call.stop", {})
    assert stream.getvalue() == ""
    logs.configure("debug", "text", stream)
    TraceLog().write("call.stop", {})
    assert "call.stop" in stream.getvalue()


def test_a_limited_line_is_written_once_a_minute_with_what_was_left_out(stream: io.StringIO) -> None:
    logs.configure("info", "json", stream)
    now = 0.0
    trace = TraceLog(lambda: now)
    for _ in range(3):
        trace.write("peer.refused", {"peer": "a"}, limit="a")
    trace.write("peer.refused", {"peer": "b"}, limit="b")
    now = 61.0
    trace.write("peer.refused", {"peer": "a"}, limit="a")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["peer"], line["level"], line.get("suppressed")) for line in lines] == [
        ("a", "warning", None),
        ("b", "warning", None),
        ("a", "warning", 2),
    ]


def test_an_exception_is_one_line(stream: io.StringIO) -> None:
    logs.configure("info", "text", stream)
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("macula.x").exception("failed")
    (line,) = stream.getvalue().splitlines()
    assert "traceback=" in line
    assert "ValueError: broken" in line


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0, 30)), max_size=60), st.integers(1, 8))
def test_a_limiter_never_admits_twice_within_its_interval(steps: list[tuple[str, float]], capacity: int) -> None:
    limiter = Limiter(60.0, capacity)
    now = 0.0
    admitted: dict[str, float] = {}
    for key, pause in steps:
        now += pause
        if limiter.admit(key, now) is not None:
            if capacity >= 6:
                assert now - admitted.get(key, float("-inf")) >= 60.0
            admitted[key] = now
        assert len(limiter._keys) <= capacity
