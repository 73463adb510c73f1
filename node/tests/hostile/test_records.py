"""Records that must not be kept: each is answered with its code, and what stands in the DHT stays."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from macula.core.lanes import Lane
from macula.core.record import Kind, record_key, sign_record
from macula.identity import Identity
from macula.wire import codes
from macula.wire.messages import Call, FindValue, FindValueReply, Reply, RpcRoute, Store, StoreReply

from .attacker import Attacker, identity
from .scene import ECHO, REALM, Scene

EVE, MALLORY, TRENT = identity(1), identity(2), identity(3)
NAME = "org.test.thing"


def record(who: Identity, realm: str = REALM, kind: Kind = Kind.RPC, name: str = NAME, **changes: Any) -> bytes:
    """A sound record, but for the changes."""
    fields: dict[str, Any] = {"wall": time.time(), "ttl": 300} | changes
    return sign_record(who, realm, kind, name, {}, **fields).encoded


def spoiled(data: bytes, at: int) -> bytes:
    """One bit is wrong."""
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] if at >= 0 else spoiled(data, len(data) + at)


def of_another_node(who: Identity) -> bytes:
    """A record that names the victim of the forgery, but is signed by `who`."""
    true, own = record(TRENT), record(who)
    return true[:-64] + own[-64:]


RECORDS: dict[str, tuple[Callable[[Identity], bytes], str]] = {
    "a wrong signature": (lambda who: spoiled(record(who), -1), codes.BAD_SIGNATURE),
    "the name of another node": (of_another_node, codes.BAD_SIGNATURE),
    "expired": (lambda who: record(who, wall=time.time() - 1000), codes.EXPIRED),
    "not valid yet": (lambda who: record(who, wall=time.time() + 10_000), codes.NOT_YET_VALID),
    "valid for years": (lambda who: record(who, ttl=10**8), codes.BAD_TTL),
    "of another realm": (lambda who: record(who, "org.other"), codes.BAD_KEY),
    "of no realm": (lambda who: record(who, ""), codes.BAD_KEY),
    "a peer record under another's name": (
        lambda who: record(who, "", Kind.PEER, str(TRENT.node_id)),
        codes.BAD_KEY,
    ),
    "too large": (lambda who: bytes(1025), codes.TOO_LARGE),
    "no record": (lambda who: b"\xc1", codes.BAD_FRAME),
    "an array of something": (lambda who: b"\x92\x01\x02", codes.BAD_MESSAGE),
    "arrays in arrays": (lambda who: b"\x91" * 1000, codes.BAD_MESSAGE),
    "cut off": (lambda who: record(who)[:-1], codes.BAD_FRAME),
}


@pytest.mark.parametrize("name", RECORDS)
async def test_a_bad_record_is_answered_with_its_code_and_not_kept(stage: Scene, name: str) -> None:
    make, code = RECORDS[name]
    for who in (EVE, EVE, MALLORY):
        async with stage.attack(who) as attacker:
            await attacker.greet()
            assert await store(attacker, make(who), record(who)) == (code, codes.STORED)
            await stage.works()
            assert await found(attacker, NAME) == {who.node_id for who in (EVE, MALLORY)[: 1 + (who is MALLORY)]}
    for who in (EVE, MALLORY):
        assert [logged for _, logged in stage.warnings(who.node_id)] == [code]


async def test_a_record_cannot_be_rolled_back(stage: Scene) -> None:
    for who in (EVE, MALLORY):
        async with stage.attack(who) as attacker:
            await attacker.greet()
            now = int(time.time() * 1000)
            newest, old = record(who, seq=now), record(who, seq=now - 1)
            assert await store(attacker, newest, old, newest, old) == ("stored", "stale", "unchanged", "stale")
            (kept,) = [each for each in await values(attacker, NAME) if each == newest]
            assert kept == newest
        assert [logged for _, logged in stage.warnings(who.node_id)] == [codes.STALE]


async def test_what_a_good_node_stores_is_not_replaced_by_an_attacker(stage: Scene) -> None:
    async with stage.attack(EVE) as attacker:
        await attacker.greet()
        (theirs,) = [each for each in await values(attacker, ECHO) if bytes(stage.good.node_id) in each]
        assert await store(attacker, spoiled(theirs, -1), theirs) == (codes.BAD_SIGNATURE, codes.UNCHANGED)
        assert theirs in await values(attacker, ECHO)
    assert {entry["node_id"] for entry in await stage.good.dht_lookup(ECHO)} == {
        str(stage.good.node_id),
        str(stage.victim.node_id),
    }


async def test_a_store_without_end_meets_the_quota(stage: Scene) -> None:
    async with stage.attack(EVE) as attacker:
        await attacker.greet()
        results: list[str] = []
        for page in range(20):
            names = [f"{NAME}.n{page}x{number}" for number in range(64)]
            results += await store(attacker, *[record(EVE, name=name) for name in names])
        assert set(results) == {codes.STORED, codes.QUOTA}
        quota = stage.victim._driver.engine.settings.dht.publisher_quota
        assert results.count(codes.STORED) == min(quota, stage.victim._driver.engine.settings.dht.storer_quota)
        await stage.works()


async def test_arguments_that_are_no_value_are_an_error_of_that_call(stage: Scene) -> None:
    async with stage.attack(EVE) as attacker:
        await attacker.greet()
        bad = [b"", b"\xc1", b"\x91" * 5000, b"\xdd\xff\xff\xff\xff", b"\x81\x01\x01", b"\xc7\x01\x05x"]
        for number, args in enumerate(bad):
            attacker.say(Lane.RPC, Call(REALM, number.to_bytes(16, "big"), ECHO, args, 5000))
        replies = await attacker.got(Reply, len(bad))
        assert {(reply.error, reply.result) for reply in replies} == {("remote", b"")}
        await stage.works()


async def test_a_false_envelope_is_dropped_and_logged_once(stage: Scene) -> None:
    for who in (EVE, MALLORY):
        async with stage.attack(who) as attacker:
            await attacker.greet()
            for number in range(3):
                me, victim = who.node_id, stage.victim.node_id
                envelope = RpcRoute(REALM, number.to_bytes(16, "big"), me, victim, 0, 10, (me,), bytes(200))
                attacker.say(Lane.RPC, envelope)
            attacker.say(Lane.RPC, Call(REALM, bytes(16), ECHO, b"\x01", 5000))
            await attacker.got(Reply)
            await stage.works()
    for who in (EVE, MALLORY):
        assert [event for event, _ in stage.warnings(who.node_id)] == ["route.dropped"]


async def store(attacker: Attacker, *records: bytes) -> tuple[str, ...]:
    """What the victim answers for each record."""
    before = len(await attacker.got(StoreReply, 0))
    attacker.say(Lane.CONTROL, Store(REALM, 1, records))
    return (await attacker.got(StoreReply, before + 1))[-1].results


async def values(attacker: Attacker, name: str) -> tuple[bytes, ...]:
    """The records that the victim has under a name."""
    before = len(await attacker.got(FindValueReply, 0))
    attacker.say(Lane.CONTROL, FindValue(REALM, 2, record_key(REALM, Kind.RPC, name), b""))
    return (await attacker.got(FindValueReply, before + 1))[-1].records


async def found(attacker: Attacker, name: str) -> set[Any]:
    """Whose records the victim has under a name."""
    who = {bytes(each.node_id): each.node_id for each in (EVE, MALLORY, TRENT)}
    return {node for data in await values(attacker, name) for raw, node in who.items() if raw in data}
