"""Peers that say too much: each lane is read at its rate, what asks for too much is refused, and nobody else waits."""

from __future__ import annotations

import time

import pytest

from macula.core.lanes import Lane
from macula.core.limits import Limit
from macula.wire import codes
from macula.wire.messages import Call, FindNode, FindNodeReply, Publish, PublishAck, Reply

from .attacker import identity
from .scene import ECHO, REALM, Scene, scene
from .test_crowds import store

EVE = identity(1)


async def met(stage: Scene, limit: Limit) -> float:
    """How often the victim says that it met a limit."""
    text = (await stage.victim.metrics()).decode()
    wanted = f'macula_limits_met_total{{limit="{limit.value}"}} '
    return sum(float(line.removeprefix(wanted)) for line in text.splitlines() if line.startswith(wanted))


async def test_a_flood_of_queries_is_answered_at_a_rate_and_nobody_else_waits(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene(caplog, monkeypatch, control_rate=200) as stage, stage.attack(EVE) as attacker:
        await attacker.greet()
        began = time.monotonic()
        attacker.say(Lane.CONTROL, *[FindNode(REALM, number, bytes(32)) for number in range(500)])
        waits: list[float] = []
        while len(await attacker.got(FindNodeReply, 0)) < 500:
            at = time.monotonic()
            await stage.works()
            waits.append(time.monotonic() - at)
        took = time.monotonic() - began
        answered = [reply.request for reply in await attacker.got(FindNodeReply)]
        assert answered == list(range(500)), "nothing is lost"
        assert took > (500 - 200 * 0.5 - 100) / 200, "at most a burst and a piece more than the rate"
        assert await met(stage, Limit.CONTROL_LANE) >= 1
        print(f"500 queries took {took:.1f} s, two calls of others meanwhile at most {max(waits) * 1000:.0f} ms")


async def test_calls_above_the_rate_of_a_caller_are_refused_as_busy(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene(caplog, monkeypatch, call_rate=50) as stage, stage.attack(EVE) as attacker:
        await attacker.greet()
        calls = [Call(REALM, number.to_bytes(16, "big"), ECHO, b"\x01", 60_000) for number in range(400)]
        attacker.say(Lane.RPC, *calls)
        replies = await attacker.got(Reply, 400)
        refused = [reply for reply in replies if reply.error]
        assert {(reply.error, reply.reason) for reply in refused} == {
            ("busy", "more than 50 calls of this caller per second")
        }
        assert 200 < len(refused) <= 300
        assert await met(stage, Limit.CALL_RATE) == len(refused)
        await stage.works()


async def test_events_above_the_rate_of_a_publisher_are_refused_as_busy(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        scene(caplog, monkeypatch, event_rate=10) as stage,
        await stage.victim.subscribe("org.test.noise", capacity=1000) as events,
        stage.attack(EVE) as attacker,
    ):
        await attacker.greet()
        attacker.say(
            Lane.PUBSUB, *[Publish(REALM, "org.test.noise", b"\x01", 1, 1, number, 0) for number in range(100)]
        )
        answers = [ack.status for ack in await attacker.got(PublishAck, 100)]
        assert answers.count(codes.ACCEPTED) + answers.count(codes.BUSY) == 100
        assert 20 <= answers.count(codes.ACCEPTED) < 40
        assert await met(stage, Limit.EVENT_RATE) == answers.count(codes.BUSY)
        assert (await anext(aiter(events))).payload == 1


async def test_records_above_the_rate_of_a_peer_are_refused_unread(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        scene(caplog, monkeypatch, dht_record_rate=1, dht_max_records_per_peer=100) as stage,
        stage.attack(EVE) as attacker,
    ):
        await attacker.greet()
        results = [code for page in range(3) for code in await store(attacker, [bytes(1025)] * 64)]
        assert set(results) == {codes.TOO_LARGE, codes.QUOTA}
        assert 100 <= results.count(codes.TOO_LARGE) < 110
        assert await met(stage, Limit.RECORD_RATE) == results.count(codes.QUOTA)
        await stage.good.advertise("org.test.late", lambda args: args)
        assert len(await stage.victim.dht_lookup("org.test.late")) == 1
