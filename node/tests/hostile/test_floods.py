"""Peers that take without giving: what they can hold of the victim's memory is bounded, and nobody waits for them."""

from __future__ import annotations

import asyncio
import gc
from functools import partial
from typing import Any

import pytest

from macula.core.lanes import Lane
from macula.providers.quic.connection import Connection
from macula.providers.quic.lanes import _Inbound
from macula.providers.quic.settings import QuicSettings
from macula.wire import encode, encode_value
from macula.wire.header import MAX_PAYLOAD, pack_header
from macula.wire.messages import Call, Cancel, Ping, Pong, Publish, Reply

from .attacker import Attacker, identity
from .footprint import held
from .scene import ECHO, REALM, Scene, scene

EVE = identity(1)
MIB = 1 << 20
BIG = "org.test.big"


async def test_replies_that_nobody_reads_end_the_connection(stage: Scene) -> None:
    reply = bytes(MIB - 8192)
    await stage.victim.advertise(BIG, lambda _: reply)
    async with stage.attack(EVE, reads=False) as attacker:
        await attacker.greet()
        most = 0
        for number in range(64):
            attacker.say(Lane.RPC, Call(REALM, number.to_bytes(16, "big"), BIG, encode_value("args", 1), 60_000))
            most = max(most, held(stage.victim))
            await stage.works()
            if attacker.end is not None:
                break
        closing = await attacker.closed()
        assert closing == ("busy", "does not take its replies")
        # What QUIC had taken when the lane was blocked, and the queue of that lane.
        assert 8 * MIB < most <= 19 * MIB
        await stage.works()
        assert held(stage.victim) < MIB
    assert stage.warnings(EVE.node_id) == [("peer.refused", "busy")]


async def test_small_replies_that_nobody_reads_end_the_connection(stage: Scene) -> None:
    async with stage.attack(EVE, reads=False) as attacker:
        await attacker.greet()
        args = encode_value("args", bytes(8000))
        for number in range(1500):
            attacker.say(Lane.RPC, Call(REALM, number.to_bytes(16, "big"), ECHO, args, 60_000))
            if number % 50 == 0:
                await stage.works()
                assert held(stage.victim) <= 18 * MIB
        assert await attacker.closed() == ("busy", "does not take its replies")
    assert stage.warnings(EVE.node_id) == [("peer.refused", "busy")]


async def test_pings_whose_answers_nobody_reads_are_dropped(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        scene(caplog, monkeypatch, control_rate=1_000_000) as stage,
        stage.attack(EVE, reads=False) as attacker,
    ):
        await attacker.greet()
        pong = len(encode(Pong(2**32 - 1)))
        for _ in range(16):
            attacker.say(Lane.CONTROL, *[Ping(2**32 - 1)] * 5000)
            await settled(attacker)
            await stage.works()
            assert held(stage.victim) <= MIB + (64 << 10) + 1024 * pong
        assert 16 * 5000 * pong > 1.5 * MIB
        assert attacker.end is None


async def test_frames_that_are_never_finished_hold_one_window_for_each_lane(stage: Scene) -> None:
    attackers = [identity(10 + number) for number in range(4)]
    half = pack_header(Call.TYPE, MAX_PAYLOAD) + bytes(MAX_PAYLOAD - 1)
    for who in attackers:
        async with stage.attack(who) as attacker:
            await attacker.greet()
            for lane in Lane:
                attacker.send(lane, half)
            await settled(attacker)
            await stage.works()
            buffers = [len(lane.decoder._buffer) for lane in inbound(stage, attacker)]
            assert buffers == [len(half)] * len(Lane)
            attacker.send(Lane.RPC, b"\x00" + pack_header(0x7F, 0))
            assert (await attacker.closed()).code in ("bad_frame", "bad_message")
            assert not inbound(stage, attacker)


async def test_frames_that_trickle_in_on_every_lane_end_the_connection(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("macula.api.QuicSettings", partial(QuicSettings, frame_time=0.5, frame_rate=1e9))
    async with scene(caplog, monkeypatch) as stage, stage.attack(EVE) as attacker:
        await attacker.greet()
        for lane in Lane:
            attacker.send(lane, pack_header(Call.TYPE, MAX_PAYLOAD) + bytes(MIB // 2))
        await stage.eventually(lambda: stage.endpoint.unread > 2 * MIB)
        while attacker.end is None:
            for lane in Lane:
                attacker.send(lane, bytes(1))
            await stage.works()
        assert attacker.end == ("unexpected", "a message was not finished in time")
        assert stage.endpoint.unread == 0
        await stage.works()
    assert stage.warnings(EVE.node_id) == [("connection.down", "unexpected")]


async def test_events_that_nobody_subscribed_hold_nothing(stage: Scene) -> None:
    async with stage.attack(EVE) as attacker:
        await attacker.greet()
        for number in range(20):
            attacker.say(Lane.PUBSUB, Publish(REALM, "org.test.noise", bytes(500_000), 1, 1, number, 0))
            await settled(attacker)
        await stage.works()
        assert held(stage.victim) < MIB
        assert all(len(lane.decoder._buffer) < MIB for lane in inbound(stage, attacker))


async def test_calls_without_end_are_refused_and_good_ones_answered(stage: Scene) -> None:
    never = asyncio.Event()

    async def wait(args: Any) -> None:
        await never.wait()

    await stage.victim.advertise("org.test.wait", wait)
    async with stage.attack(EVE) as attacker:
        await attacker.greet()
        for number in range(1500):
            attacker.say(Lane.RPC, Call(REALM, number.to_bytes(16, "big"), "org.test.wait", b"\x01", 60_000))
        limit = stage.victim._driver.engine.settings.rpc.max_handlers_per_peer
        replies = await attacker.got(Reply, 1500 - limit)
        assert [reply.error for reply in replies] == ["busy"] * (1500 - limit)
        await stage.works()


async def test_calls_that_are_cancelled_at_once_hold_no_handlers(stage: Scene) -> None:
    async with stage.attack(EVE) as attacker:
        await attacker.greet()
        ids = [number.to_bytes(16, "big") for number in range(1500)]
        for call_id in ids:
            attacker.say(Lane.RPC, Call(REALM, call_id, ECHO, b"\x01", 60_000), Cancel(REALM, call_id))
        await settled(attacker)
        await stage.eventually(lambda: stage.victim._driver.engine._rpc.idle)
        attacker.say(Lane.RPC, Call(REALM, bytes(15) + b"x", ECHO, b"\x01", 60_000))
        assert (await attacker.got(Reply))[-1].error == ""


async def test_two_hundred_connections_leave_nothing_behind(stage: Scene) -> None:
    before = alive()
    for number in range(200):
        async with stage.attack(identity(number % 7)) as attacker:
            if number % 2:
                await attacker.greet()
    await stage.eventually(lambda: stage.endpoint.connections == 1)
    assert list(stage.victim._driver.engine._peers._peers) == [stage.good.node_id]
    assert alive() == before


def inbound(stage: Scene, attacker: Attacker) -> list[_Inbound]:
    """The lanes of an attacker that the victim reads."""
    session = stage.endpoint._sessions.get(attacker.identity.node_id)
    return list(session.active.inbound._by_lane.values()) if session else []


async def settled(attacker: Attacker) -> None:
    """Return when the victim has acknowledged everything."""
    await attacker.until(lambda: not any(attacker.quic.buffered(stream) for stream in attacker.lanes.values()))


def alive() -> int:
    """Connections of nodes that are objects in memory, whoever may still know them."""
    gc.collect()
    return sum(isinstance(each, Connection) for each in gc.get_objects())
