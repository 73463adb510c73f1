from __future__ import annotations

import logging

import pytest

from macula import TelemetryEvent
from macula.core.effects import CallTrace, Trace
from macula.errors import ArgumentError
from macula.runtime.logs import ROOT, TraceLog
from macula.runtime.telemetry import EVENTS, MAX_HANDLERS, Telemetry

from .fake_mesh import OWN

START = Trace("call.start", {"procedure": "a.b", "call": "00"})
STOP = Trace("call.stop", {"procedure": "a.b", "code": "ok"}, measurements={"duration": 1.5})


def make() -> tuple[Telemetry, list[TelemetryEvent]]:
    return Telemetry(TraceLog()), []


def test_a_handler_gets_the_events_that_it_asked_for_in_order() -> None:
    telemetry, got = make()
    telemetry.attach("mine", ["call.start", "call.stop"], got.append)
    for trace in (START, Trace("subscribe.stop", {"pattern": "x"}), STOP):
        telemetry.emit(trace)
    assert got == [
        TelemetryEvent("call.start", {}, {"procedure": "a.b", "call": "00"}),
        TelemetryEvent("call.stop", {"duration": 1.5}, {"procedure": "a.b", "code": "ok"}),
    ]


def test_calls_are_counted_as_they_are_and_told_to_who_listens() -> None:
    telemetry, got = make()
    counted: list[CallTrace] = []
    telemetry.count_calls({"call.stop": counted.append})
    start = CallTrace("call.start", "a.b", bytes(16))
    stop = CallTrace("call.stop", "a.b", bytes(16), code="busy", duration=1.5)
    handled = CallTrace("call.handled", "a.b", bytes(16), OWN, streams=True, duration=2.0)
    for call in (start, stop, handled):
        telemetry.emit_call(call)
    assert (counted, got) == ([stop], [])

    telemetry.attach("mine", ["call.start", "call.stop", "call.handled"], got.append)
    for call in (start, stop, handled):
        telemetry.emit_call(call)
    about = {"procedure": "a.b", "call": "00" * 16}
    assert counted == [stop, stop]
    assert got == [
        TelemetryEvent("call.start", {}, about),
        TelemetryEvent(
            "call.stop", {"duration": 1.5}, {**about, "peer": "", "local": False, "streams": False, "code": "busy"}
        ),
        TelemetryEvent("call.handled", {"duration": 2.0}, {**about, "peer": OWN, "streams": True, "code": "ok"}),
    ]
    for event in got:
        assert tuple(event.metadata) == EVENTS[event.name].metadata
        assert tuple(event.measurements) == EVENTS[event.name].measurements


def test_the_log_gets_calls_when_it_asks_for_them(caplog: pytest.LogCaptureFixture) -> None:
    telemetry, _ = make()
    call = CallTrace("call.handled", "a.b", bytes(16), OWN, duration=2.0)
    with caplog.at_level(logging.INFO, logger=ROOT):
        telemetry.emit_call(call)
    with caplog.at_level(logging.DEBUG, logger=ROOT):
        telemetry.emit_call(call)
    assert [record.getMessage() for record in caplog.records] == ["call.handled"]


def test_several_handlers_get_an_event_in_the_order_in_which_they_were_attached() -> None:
    telemetry, _ = make()
    called: list[str] = []
    for name in ("first", "second"):
        telemetry.attach(name, "call.stop", lambda event, name=name: called.append(name))  # type: ignore[misc]
    telemetry.emit(STOP)
    assert called == ["first", "second"]


def test_who_was_detached_gets_nothing_more() -> None:
    telemetry, got = make()
    telemetry.attach("mine", "call.stop", got.append)
    telemetry.detach("mine")
    telemetry.detach("mine")
    telemetry.emit(STOP)
    assert got == []
    telemetry.attach("mine", "call.stop", got.append)
    telemetry.emit(STOP)
    assert len(got) == 1


def test_a_handler_that_raises_is_logged_and_detached_and_nobody_else_notices(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    telemetry, got = make()
    called: list[str] = []

    def broken(event: TelemetryEvent) -> None:
        called.append(event.name)
        raise RuntimeError("wrong")

    telemetry.attach("broken", ["call.start", "call.stop"], broken)
    telemetry.attach("mine", "call.stop", got.append)
    telemetry.emit(STOP)
    telemetry.emit(START)
    telemetry.emit(STOP)
    assert called == ["call.stop"]
    assert len(got) == 2
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert vars(record)["fields"] == {"handler": "broken", "name": "call.stop", "error": "RuntimeError('wrong')"}


def test_a_handler_may_attach_and_detach() -> None:
    telemetry, got = make()

    def once(event: TelemetryEvent) -> None:
        telemetry.detach("once")
        telemetry.attach("later", "call.stop", got.append)

    telemetry.attach("once", "call.stop", once)
    telemetry.emit(STOP)
    assert got == []
    telemetry.emit(STOP)
    assert len(got) == 1


def test_what_is_wrong_is_refused_and_changes_nothing() -> None:
    telemetry, got = make()
    telemetry.attach("mine", "call.stop", got.append)
    for handler_id, events, field in (
        ("mine", ["call.start"], "handler_id"),
        ("other", ["call.stop", "call.finish"], "events"),
        ("other", [], "events"),
    ):
        with pytest.raises(ArgumentError) as caught:
            telemetry.attach(handler_id, events, got.append)
        assert caught.value.field == field
    telemetry.emit(STOP)
    telemetry.emit(START)
    assert len(got) == 1


def test_handlers_are_bounded() -> None:
    telemetry, got = make()
    for number in range(MAX_HANDLERS):
        telemetry.attach(f"handler {number}", "call.stop", got.append)
    with pytest.raises(ArgumentError):
        telemetry.attach("one more", "call.stop", got.append)


def test_the_names_of_the_guide_are_there() -> None:
    guide = {"call.start", "call.stop", "publish.stop", "subscribe.stop", "connection.up", "connection.down"}
    assert guide <= EVENTS.keys()
