"""The driver between a scripted engine and a transport that writes down what it is asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, cast

import pytest

from macula.core.commands import CancelCall
from macula.core.effects import ClosePeer, Effect, SendMessage
from macula.core.events import CommandGiven, Event, HandlerDone, Tick
from macula.core.lanes import Lane
from macula.engine import Engine
from macula.identity import NodeId
from macula.runtime.driver import LONGEST_RUSH, Driver
from macula.runtime.logs import TraceLog
from macula.runtime.telemetry import Telemetry
from macula.runtime.transport import Transport
from macula.wire.messages import Ping

A, B = NodeId(b"a" * 32), NodeId(b"b" * 32)


class Script:
    """An engine that answers each batch of events with the next effects of a list."""

    def __init__(self) -> None:
        self.effects: list[list[Effect]] = []
        self.batches: list[list[Event]] = []
        self.deadline: float | None = None
        self.asked = 0
        self.ticked = asyncio.Event()

    def start(self, *args: object) -> list[Effect]:
        return []

    def handle_all(self, events: Sequence[Event], now: float, wall: float) -> list[Effect]:
        self.batches.append([*events])
        if Tick() in events:
            self.ticked.set()
        return self.effects.pop(0) if self.effects else []

    def next_deadline(self) -> float | None:
        self.asked += 1
        return self.deadline


class Notebook:
    """A transport that carries out nothing."""

    def __init__(self) -> None:
        self.asked: list[object] = []
        self.woken = 0

    def wake(self) -> None:
        self.woken += 1

    def execute(self, effect: Effect) -> None:
        self.asked.append(effect)

    def send(self, messages: Sequence[SendMessage]) -> None:
        self.asked.append([*messages])


class Nobody:
    """An application without handlers."""

    def deliver(self, *args: object) -> None:
        raise AssertionError("nothing is delivered here")

    def cancel(self, *args: object) -> None:
        raise AssertionError("nothing is cancelled here")


def started() -> tuple[Driver, Script, Notebook]:
    script, notebook = Script(), Notebook()
    driver = Driver(
        cast("Engine", script), cast("Transport", notebook), Telemetry(TraceLog()), lambda address, peer: None
    )
    driver.start(cast("Any", Nobody()), ())
    return driver, script, notebook


def message(peer: NodeId, number: int) -> SendMessage:
    return SendMessage(peer, Lane.CONTROL, Ping(number))


async def test_messages_are_sent_together_but_never_after_what_stands_behind_them() -> None:
    driver, script, notebook = started()
    one, two, close, three = message(A, 1), message(B, 2), ClosePeer(A, "busy", ""), message(B, 3)
    script.effects = [[one, two, close, three]]
    driver.deliver((Tick(),))
    assert notebook.asked == [[one, two], close, [three]]
    driver.deliver((Tick(),))
    assert len(notebook.asked) == 3, "nothing is sent twice"


async def test_what_waits_comes_before_what_the_transport_tells() -> None:
    driver, script, notebook = started()
    woken, done = notebook.woken, HandlerDone(7)
    driver.soon(done)
    driver.tell(CancelCall(1))
    assert (notebook.woken - woken, script.batches) == (1, [])
    driver.deliver((Tick(),))
    ((first, second, third),) = script.batches
    assert first == done and isinstance(second, CommandGiven) and third == Tick()


async def test_the_timer_is_set_when_nothing_is_left_to_handle() -> None:
    driver, script, notebook = started()
    script.deadline, asked, woken = asyncio.get_running_loop().time(), script.asked, notebook.woken
    driver.deliver((HandlerDone(7),))
    assert (script.asked, notebook.woken) == (asked, woken + 1), "first what comes of it is sent"
    driver.deliver(())
    async with asyncio.timeout(5):
        await script.ticked.wait()


async def test_the_timer_is_set_however_much_there_is_to_handle(monkeypatch: pytest.MonkeyPatch) -> None:
    driver, script, _ = started()
    now = time.monotonic()
    monkeypatch.setattr("macula.runtime.driver.time.monotonic", lambda: now)
    driver.deliver(())
    asked = script.asked
    driver.deliver((HandlerDone(7),))
    assert script.asked == asked
    now += LONGEST_RUSH
    driver.deliver((HandlerDone(8),))
    driver.deliver((HandlerDone(9),))
    assert script.asked == asked + 1


@pytest.mark.parametrize("stopped", [False, True])
async def test_only_a_closed_driver_handles_nothing(stopped: bool) -> None:
    driver, script, _ = started()
    if stopped:
        driver.close()
    driver.soon(HandlerDone(7))
    driver.deliver((Tick(),))
    assert bool(script.batches) is not stopped
