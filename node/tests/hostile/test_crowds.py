"""Many at once: handshakes that nobody goes on with, invented nodes, records and subscribers. What they take is bounded
and given back, and the good nodes notice nothing."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from functools import partial
from typing import Any

import pytest

from macula.core.address import Address
from macula.core.effects import Dial
from macula.core.events import Tick
from macula.core.lanes import Lane
from macula.core.record import Kind, sign_record
from macula.errors import PeerUnreachable
from macula.providers.quic.endpoint import Endpoint
from macula.providers.quic.settings import QuicSettings
from macula.wire import codes, encode
from macula.wire.messages import Hello, Store, StoreReply

from .attacker import Attacker, hello, identity, peer_info
from .scene import ECHO, REALM, Scene, scene
from .test_floods import alive

EVE = identity(1)
FLIGHTS = 400


class Bystander(asyncio.DatagramProtocol):
    """A host that has nothing to do with the mesh, and what it gets."""

    def __init__(self) -> None:
        self.datagrams = 0
        self.bytes = 0

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.datagrams += 1
        self.bytes += len(data)


async def bystander(host: str = "127.0.0.1") -> tuple[Bystander, asyncio.DatagramTransport, Address]:
    """One that listens."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(Bystander, local_addr=(host, 0))
    host, port = transport.get_extra_info("sockname")
    return protocol, transport, Address(host, port)


def first_flight(number: int, victim: Address) -> bytes:
    """The first datagram of a handshake, which nobody goes on with."""
    client = Endpoint(identity(1000 + number), random.Random(number), 1)
    client.execute(Dial(1, (victim,), None, 5.0), 0.0)
    ((data, _),) = client.datagrams_to_send(0.0)
    return data


async def test_a_flood_of_first_packets_is_bounded_counted_and_forgotten(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("macula.api.QuicSettings", partial(QuicSettings, handshake_timeout=1.0))
    async with scene(caplog, monkeypatch, max_handshakes=64, handshake_rate=20) as stage:
        endpoint = stage.endpoint
        flights = [first_flight(number, stage.place) for number in range(FLIGHTS)]
        _, transport, _ = await bystander()
        most = 0
        for number, flight in enumerate(flights):
            transport.sendto(flight, (stage.place.host, stage.place.port))
            if number % 20 == 0:
                await stage.works()
                most = max(most, endpoint.handshakes.under_way)
        refused = endpoint.handshakes.refused
        assert 0 < most <= 64
        assert set(refused) <= {"rate", "retry", "full"} and refused["rate"] > 0
        await stage.eventually(lambda: endpoint.handshakes.under_way == 0 and endpoint.connections == 1)
        transport.close()
        async with stage.attack(EVE) as honest:
            await honest.greet()


async def test_two_hundred_dials_leave_nothing_behind(stage: Scene) -> None:
    good, before = (await stage.good.status())["listen"], alive()
    _, transport, silent = await bystander()

    async def dial(place: str) -> None:
        with contextlib.suppress(PeerUnreachable):
            await stage.victim.connector.send_message(place, "ping", {"request": 1}, timeout=1.0)

    for _ in range(2):
        async with asyncio.TaskGroup() as group:
            for place in (good, str(silent)) * 50:
                group.create_task(dial(place))
        await stage.works()
    transport.close()
    await stage.eventually(lambda: stage.endpoint.connections == 1)
    assert list(stage.victim._driver.engine._peers._peers) == [stage.good.node_id]
    await stage.eventually(lambda: alive() == before, alive)


async def test_a_hello_that_trickles_in_is_waited_for_no_longer_than_one_that_never_comes(stage: Scene) -> None:
    driver = stage.victim._driver
    frame = encode(hello(peer_info(EVE, REALM)))
    async with stage.attack(EVE) as attacker:
        for byte in frame[:40]:
            attacker.send(Lane.CONTROL, bytes([byte]))
            await stage.works()
        await attacker.got(Hello)
        later = time.monotonic() + driver.engine.settings.pool.hello_timeout
        driver._carry_out(driver.engine.handle(Tick(), later, time.time()))
        assert await attacker.closed() == ("unexpected", "no hello in time")


async def test_a_frame_that_trickles_in_keeps_no_connection_alive(stage: Scene) -> None:
    driver = stage.victim._driver
    async with stage.attack(EVE) as attacker:
        await attacker.greet()
        await stage.eventually(lambda: EVE.node_id in driver.engine._peers._pool._entries)
        since = driver.engine._peers._pool._entries[EVE.node_id].last_used
        for byte in encode(Store(REALM, 1, (bytes(1000),)))[:40]:
            attacker.send(Lane.CONTROL, bytes([byte]))
            await stage.works()
        assert driver.engine._peers._pool._entries[EVE.node_id].last_used == since, "it is idle, and closed as such"


async def test_records_of_invented_publishers_leave_room_for_those_of_others(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene(caplog, monkeypatch, dht_max_records=300, dht_max_records_per_peer=200) as stage:
        for peer in range(3):
            async with stage.attack(identity(peer)) as attacker:
                await attacker.greet()
                made_up = [record(500 * peer + number) for number in range(256)]
                results = [
                    code for page in range(4) for code in await store(attacker, made_up[64 * page : 64 * page + 64])
                ]
                assert set(results) == {codes.STORED, codes.QUOTA}
                await stage.works()
        storage = stage.victim._driver.engine._dht._storage
        assert len(storage) == 300
        for number in range(20):
            await stage.good.advertise(f"org.test.late{number}", lambda args: args)
        for number in range(20):
            (found,) = await stage.victim.dht_lookup(f"org.test.late{number}")
            assert found["node_id"] == str(stage.good.node_id)
        kept = storage._of_storer[stage.good.node_id]
        assert len(kept) >= 20 and len(storage) == 300


async def test_records_and_patterns_are_forgotten_when_their_time_is_over(stage: Scene) -> None:
    storage = stage.victim._driver.engine._dht._storage

    def sizes() -> dict[str, int]:
        tables = ("_kept", "_nodes", "_of_publisher", "_of_storer")
        return {name: len(getattr(storage, name)) for name in tables} | {
            "records": len(storage),
            "timers": len(storage._expiry._due),
        }

    before = sizes()
    async with stage.attack(EVE) as attacker:
        await attacker.greet()
        for page in range(4):
            numbers = range(32 * page, 32 * page + 32)
            made_up = [record(number, ttl=3) for number in numbers] + [pattern(number, ttl=3) for number in numbers]
            assert set(await store(attacker, made_up)) == {codes.STORED}
            assert len(storage) > before["records"]
    await stage.eventually(lambda: sizes() == before, sizes)


async def test_subscribers_that_do_not_exist_delay_no_event(stage: Scene) -> None:
    async with await stage.good.subscribe("org.test.news.*") as events, stage.attack(EVE) as attacker:
        await attacker.greet()
        made_up = [pattern(number) for number in range(1100)]
        results = [code for page in range(18) for code in await store(attacker, made_up[64 * page : 64 * page + 64])]
        assert set(results) == {codes.STORED}
        for number in range(3):
            start = time.monotonic()
            await stage.victim.publish("org.test.news.today", number)
            async with asyncio.timeout(20):
                event = await anext(aiter(events))
            print(f"with 1100 invented subscribers an event took {1000 * (time.monotonic() - start):.0f} ms")
            assert event.payload == number
            await stage.works()
        dialer = stage.victim._driver.engine._peers._dialer
        async with asyncio.timeout(40):
            while dialer._attempts:
                await stage.works()
        assert not dialer._under_way


def record(number: int, ttl: int = 300) -> bytes:
    """A sound record of a publisher that nobody ever met."""
    who = identity(20_000 + number)
    return sign_record(who, REALM, Kind.RPC, f"{ECHO}{number}", {}, wall=time.time(), ttl=ttl).encoded


def pattern(number: int, ttl: int = 300) -> bytes:
    """A sound record of a subscriber that nobody ever met."""
    value = {"patterns": ["org.test.news.*"]}
    who = identity(5000 + number)
    return sign_record(who, REALM, Kind.TOPIC, "org.test.news", value, wall=time.time(), ttl=ttl).encoded


async def store(attacker: Attacker, records: list[bytes]) -> tuple[str, ...]:
    """What the victim answers for each record."""
    before = len(await attacker.got(StoreReply, 0))
    attacker.say(Lane.CONTROL, Store(REALM, 1, tuple(records)))
    return (await attacker.got(StoreReply, before + 1))[-1].results
