from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator

import pytest

from macula.core.effects import Trace
from macula.identity import NodeId
from macula.runtime.log_format import configure
from macula.runtime.logs import TraceLog, log_event

from .logging_state import logging_as_before


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    with logging_as_before():
        yield io.StringIO()


def test_a_text_line_quotes_what_could_be_mistaken(stream: io.StringIO) -> None:
    configure("info", "text", stream)
    TraceLog().write(Trace("peer.up", {"peer": "ab3k", "rtt": 0.00125, "name": 'x"\nfake level=error', "none": ""}))
    (line,) = stream.getvalue().splitlines()
    assert line.split(" ", 1)[1] == r'info    peer.up peer=ab3k rtt=0.00125 name="x\"\nfake level=error" none=""'


def test_ids_are_short_and_measurements_follow(stream: io.StringIO) -> None:
    configure("info", "json", stream)
    peer = NodeId(bytes(32))
    TraceLog().write(Trace("path.chosen", {"peer": peer}, measurements={"duration": 1.5}))
    value = json.loads(stream.getvalue())
    assert (value["peer"], value["duration"]) == (peer.short, 1.5)


def test_a_json_line_is_an_object(stream: io.StringIO) -> None:
    configure("info", "json", stream)
    TraceLog().write(Trace("peer.up", {"peer": "ab3k", "level": "spoofed"}))
    value = json.loads(stream.getvalue())
    assert value.pop("time").endswith("Z")
    assert value == {"level": "info", "event": "peer.up", "peer": "ab3k"}


def test_an_exception_is_one_line(stream: io.StringIO) -> None:
    configure("info", "text", stream)
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("macula.x").exception("failed")
    (line,) = stream.getvalue().splitlines()
    assert "traceback=" in line
    assert "ValueError: broken" in line


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_colours_and_nothing_that_a_peer_wrote_can_change_it(stream: io.StringIO) -> None:
    terminal = Terminal()
    configure("info", "text", terminal)
    log_event(logging.getLogger("macula.x"), logging.WARNING, "peer.refused", {"name": "\x1b[2Jgone"})
    (line,) = terminal.getvalue().splitlines()
    assert "\x1b[33mwarning\x1b[0m" in line
    assert '="\\u001b[2Jgone"' in line


def test_lines_name_their_node_and_libraries_themselves(stream: io.StringIO) -> None:
    configure("info", "json", stream, "edge1")
    TraceLog("edge2").write(Trace("nat.detected", {"type": "none"}))
    log_event(logging.getLogger("macula.api"), logging.INFO, "node.started", {"mode": "edge"})
    logging.getLogger("asyncio").warning("slow by %d s", 3)
    logging.getLogger("asyncio").info("not of interest")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    ours, also_ours, library, warned = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert list(ours) == ["time", "level", "event", "node", "type"]
    assert (ours["node"], also_ours["node"]) == ("edge2", "edge1")
    assert library.items() >= {"level": "warning", "event": "slow by 3 s", "node": "edge1", "logger": "asyncio"}.items()
    assert warned["logger"] == "py.warnings"


def test_an_application_that_logs_by_itself_gets_event_and_fields(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "macula"):
        TraceLog("edge2").write(Trace("nat.detected", {"type": "none"}))
    (record,) = caplog.records
    assert (record.getMessage(), vars(record)["fields"]) == ("nat.detected", {"node": "edge2", "type": "none"})
