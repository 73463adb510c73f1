"""Telemetry and metrics of nodes over real sockets on loopback."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import macula
from macula import TelemetryEvent
from macula.errors import NotFound
from macula.runtime.telemetry import EVENTS

from .test_mesh import mesh_of


def about(events: list[TelemetryEvent], name: str) -> list[dict[str, Any]]:
    return [dict(event.metadata) for event in events if event.name == name]


async def work(provider: macula.Mesh, caller: macula.Mesh) -> None:
    """A call that is answered, one that nobody takes, and an event."""
    await provider.advertise("org.test.double", lambda args: 2 * args)
    async with await provider.subscribe("org.test.numbers.*") as numbers:
        assert await caller.call("org.test.double", 21) == 42
        with pytest.raises(NotFound):
            await caller.call("org.test.halve", 21)
        await caller.publish("org.test.numbers.one", 1, qos=1)
        assert (await anext(aiter(numbers))).payload == 1


async def test_handlers_hear_of_everything_a_node_does() -> None:
    async with mesh_of(1) as (provider,):
        events: list[TelemetryEvent] = []
        provider.attach("all", list(EVENTS), events.append)
        ended = asyncio.Event()
        provider.attach("down", "connection.down", lambda event: ended.set())
        place = (await provider.status())["listen"]
        async with macula.connect("org.test", "caller", [place], host="127.0.0.1") as caller:
            mine: list[TelemetryEvent] = []
            caller.attach("all", list(EVENTS), mine.append)
            await work(provider, caller)
        await asyncio.wait_for(ended.wait(), 10)

    for event in events + mine:
        kind = EVENTS[event.name]
        assert set(event.measurements) == set(kind.measurements), event.name
        assert set(event.metadata) == set(kind.metadata), event.name
        assert all(value >= 0 for value in event.measurements.values())
    answered, missed = about(mine, "call.stop")
    assert (answered["peer"], answered["local"], answered["code"]) == (provider.node_id, False, "ok")
    assert (missed["peer"], missed["code"]) == ("", "not_found")
    (handled,) = about(events, "call.handled")
    assert handled == {
        "procedure": "org.test.double",
        "call": answered["call"],
        "peer": caller.node_id,
        "streams": False,
        "code": "ok",
    }
    assert [one["call"] for one in about(mine, "call.start")] == [answered["call"], missed["call"]]
    assert about(mine, "publish.stop") == [{"topic": "org.test.numbers.one", "qos": 1, "code": "ok"}]
    assert about(events, "subscribe.stop") == [{"pattern": "org.test.numbers.*"}]
    (up,) = about(events, "connection.up")
    assert (up["peer"], up["name"], up["inbound"], up["path"]) == (caller.node_id, "caller", True, "direct")
    (down,) = about(events, "connection.down")
    assert (down["peer"], down["code"]) == (caller.node_id, "going_away")


async def test_metrics_count_what_was_done() -> None:
    async with mesh_of(2) as (provider, caller):
        await work(provider, caller)
        told = (await caller.metrics()).decode().splitlines()
        assert 'macula_calls_total{code="ok",provider="remote"} 1.0' in told
        assert 'macula_calls_total{code="not_found",provider="none"} 1.0' in told
        assert "macula_call_duration_seconds_count 2.0" in told
        assert 'macula_deliveries_total{outcome="delivered"} 1.0' in told
        assert 'macula_peers{carrier="udp",path="direct"} 1.0' in told
        assert "macula_calls_in_flight 0.0" in told
        assert 'macula_calls_handled_total{code="ok"} 1.0' in (await provider.metrics()).decode().splitlines()


async def test_a_handler_that_raises_stops_no_call() -> None:
    async with mesh_of(2) as (provider, caller):

        def broken(event: TelemetryEvent) -> None:
            raise RuntimeError("wrong")

        caller.attach("broken", ["call.start", "call.stop"], broken)
        await work(provider, caller)
