"""Peers that do not begin as they should, or are not who they say: none of them ever is up."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from macula.core.address import Address
from macula.core.events import Tick
from macula.core.lanes import Lane
from macula.core.record import Kind, sign_record
from macula.engine.peer import MAX_EARLY
from macula.errors import CallError
from macula.identity import Identity
from macula.wire import Message, encode
from macula.wire.header import pack_header
from macula.wire.messages import Call, FindNode, Hello, Ping, Publish, Reply

from .attacker import hello, identity, peer_info
from .scene import ECHO, REALM, Scene

EVE, MALLORY, TRENT = identity(1), identity(2), identity(3)

BEFORE_HELLO: dict[str, bytes] = {
    "a ping": encode(Ping(1)),
    "a call": encode(Call(REALM, bytes(16), "org.test.echo", b"\x01", 1000)),
    "an event": encode(Publish(REALM, "org.test.topic", b"\x01", 0, 1, 1, 0)),
    "a query": encode(FindNode(REALM, 1, bytes(32))),
    "a reply": encode(Reply(REALM, bytes(16), b"", "", "")),
}


@pytest.mark.parametrize("name", BEFORE_HELLO)
async def test_nothing_comes_before_hello(stage: Scene, name: str) -> None:
    await refused_thrice(stage, lambda who: BEFORE_HELLO[name], "unexpected", Lane.CONTROL)


@pytest.mark.parametrize("lane", [Lane.RPC, Lane.PUBSUB])
async def test_what_overtakes_a_hello_on_another_lane_is_bounded(stage: Scene, lane: Lane) -> None:
    await refused_thrice(stage, lambda who: BEFORE_HELLO["a call"] * (MAX_EARLY + 1), "unexpected", lane)


HELLOS: dict[str, tuple[Callable[[Identity], Message], str]] = {
    "older versions": (lambda who: hello(peer_info(who, REALM), version_min=0, version_max=1), "no_common_version"),
    "newer versions": (lambda who: hello(peer_info(who, REALM), version_min=3, version_max=255), "no_common_version"),
    "no version": (lambda who: hello(peer_info(who, REALM), version_min=9, version_max=1), "no_common_version"),
    "another realm": (lambda who: hello(peer_info(who, "org.other")), "no_common_realm"),
    "no realm": (lambda who: hello(peer_info(who, REALM, realms=())), "no_common_realm"),
    "realms unlike its record's": (lambda who: hello(peer_info(who, "org.other"), realms=(REALM,)), "bad_message"),
    "the record of somebody else": (lambda who: hello(peer_info(TRENT, REALM)), "bad_identity"),
    "a forged record": (lambda who: hello(peer_info(who, REALM), record=forged(who)), "bad_signature"),
    "an expired record": (lambda who: hello(peer_info(who, REALM, wall=time.time() - 10_000)), "expired"),
    "a record of the future": (lambda who: hello(peer_info(who, REALM, wall=time.time() + 10_000)), "expired"),
    "a record of a procedure": (lambda who: hello(peer_info(who, REALM), record=procedure(who)), "bad_key"),
    "a record of another name": (lambda who: hello(peer_info(who, REALM), record=misnamed(who)), "bad_key"),
    "a record that is none": (lambda who: hello(peer_info(who, REALM), record=b"\xc1"), "bad_frame"),
    "a record that is too large": (lambda who: hello(peer_info(who, REALM), record=bytes(1025)), "too_large"),
}


@pytest.mark.parametrize("name", HELLOS)
async def test_a_bad_hello_is_refused_with_its_code(stage: Scene, name: str) -> None:
    make, code = HELLOS[name]
    await refused_thrice(stage, lambda who: encode(make(who)), code)


async def test_a_first_frame_that_is_malformed_is_refused(stage: Scene) -> None:
    await refused_thrice(stage, lambda who: pack_header(0x7F, 0), "unknown_type")


async def test_a_stream_that_names_no_lane_is_refused(stage: Scene) -> None:
    await refused_thrice(stage, lambda who: b"", "bad_frame", lane=9)


async def test_who_never_says_hello_is_closed_in_time(stage: Scene) -> None:
    # The engine reads its clock from its caller, who says here that the time for a hello is over.
    driver = stage.victim._driver
    async with stage.attack(EVE) as attacker:
        attacker.send(Lane.CONTROL, b"")
        await attacker.got(Hello)
        later = time.monotonic() + driver.engine.settings.pool.hello_timeout
        driver._carry_out(driver.engine.handle(Tick(), later, time.time()))
        assert (await attacker.closed()).code == "unexpected"
    assert [code for _, code in stage.warnings(EVE.node_id)] == ["unexpected"]


async def test_a_client_without_a_certificate_is_closed(stage: Scene) -> None:
    for _ in range(2):
        async with stage.attack(EVE, certified=False) as attacker:
            await stage.works()
            assert await attacker.closed() == ("bad_identity", "the peer showed no certificate")
    assert stage.warnings("127.0.0.1") == [("peer.refused", "bad_identity")]


async def test_who_gives_the_address_of_another_is_not_taken_for_it(stage: Scene) -> None:
    place = Address.parse((await stage.good.status())["listen"])
    liar = hello(peer_info(EVE, REALM, addresses=(place,), reachable=True))
    async with stage.attack(EVE) as attacker:
        attacker.send(Lane.CONTROL, encode(liar))
        await attacker.got(Hello)
        await stage.works()
    for _ in range(2):
        with pytest.raises(CallError):
            await stage.victim.call_to(EVE.node_id, ECHO, timeout=5)
        await stage.works()
    assert [event for event, _ in stage.warnings(EVE.node_id)] == ["dial.wrong_identity"]


async def test_a_minute_later_it_is_logged_again_with_how_often_it_was_not(stage: Scene) -> None:
    for now in (0.0, 1.0, 59.9, 60.0):
        stage.log_clock.now = now
        async with stage.attack(EVE) as attacker:
            attacker.send(Lane.CONTROL, encode(Ping(1)))
            await attacker.closed()
    lines = [vars(line)["fields"] for line in stage.log.records if line.getMessage() == "peer.refused"]
    assert len(lines) == 2 and "suppressed" not in lines[0] and lines[1]["suppressed"] == 2


async def refused_thrice(stage: Scene, make: Callable[[Identity], bytes], code: str, lane: int = Lane.CONTROL) -> None:
    """The same first bytes twice by one peer and once by another: each is closed, each peer is logged once."""
    for who in (EVE, EVE, MALLORY):
        async with stage.attack(who) as attacker:
            attacker.send(lane, make(who))
            await stage.works()
            assert (await attacker.closed()).code == code
        await stage.works()
        assert who.node_id.short not in [peer["short_id"] for peer in await stage.victim.peers()]
    for who in (EVE, MALLORY):
        assert [logged for _, logged in stage.warnings(who.node_id)] == [code]


def forged(who: Identity) -> bytes:
    """A peer record with one wrong bit in its signature."""
    record = peer_info(who, REALM).record.encoded
    return record[:-1] + bytes([record[-1] ^ 1])


def procedure(who: Identity) -> bytes:
    """A sound record, but no peer record."""
    return sign_record(who, REALM, Kind.RPC, "org.test.echo", {}, wall=time.time(), ttl=300).encoded


def misnamed(who: Identity) -> bytes:
    """A peer record under the name of another node."""
    value = peer_info(who, REALM).record.value
    return sign_record(who, "", Kind.PEER, str(TRENT.node_id), value, wall=time.time(), ttl=300).encoded
