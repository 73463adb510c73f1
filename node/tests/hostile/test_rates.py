"""Peers that say too much: each lane is read at its rate, what asks for too much is refused, and nobody else waits."""

from __future__ import annotations

import time

import pytest

from macula.core.lanes import Lane
from macula.core.limits import Limit
from macula.wire.messages import FindNode, FindNodeReply

from .attacker import identity
from .scene import REALM, Scene, scene

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
