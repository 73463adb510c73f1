"""Somebody who answers lookups with nodes that do not exist."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Iterable
from functools import partial
from typing import Any

import pytest
import pytest_asyncio

from macula.core.address import Address
from macula.core.peer_record import PeerInfo
from macula.dht.settings import DhtSettings
from macula.wire import Message
from macula.wire.messages import FindNode, FindNodeReply, FindValue, FindValueReply

from .attacker import identity, peer_info
from .scene import REALM, Scene, scene
from .test_crowds import bystander, record

EVE = identity(1)
LOOKUPS = 3
QUERY_TIMEOUT = 1.0


@pytest_asyncio.fixture
async def stage(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    """The victim waits for answers half as long as usual, and hardly for late ones and for dials."""
    monkeypatch.setattr("macula.api.DhtSettings", partial(DhtSettings, query_timeout=QUERY_TIMEOUT, late_answer=0.5))
    async with scene(caplog, monkeypatch, connect_timeout=QUERY_TIMEOUT) as made:
        caplog.set_level(logging.DEBUG, "macula")
        caplog.handler.addFilter(tells_of_lookups)
        yield made
        caplog.handler.removeFilter(tells_of_lookups)


@pytest.mark.parametrize("hosts", [1, 200])
async def test_contacts_that_somebody_invents_delay_the_first_lookup_only(stage: Scene, hosts: int) -> None:
    seen, transport, address = await bystander("0.0.0.0")
    places = [Address(f"127.0.{1 + number // 200}.{1 + number % 200}", address.port) for number in range(hosts)]
    made_up = [lie(number, places[number % hosts]) for number in range(400)]
    rng = random.Random(1)

    def answer(message: Message) -> Iterable[Message]:
        nodes = tuple(info.record.encoded for info in rng.sample(made_up, 21))
        match message:
            case FindNode():
                return [FindNodeReply(message.request, nodes)]
            case FindValue():
                return [FindValueReply(message.request, (record(1), b"\xc1"), nodes, False)]
        return []

    async with stage.attack(EVE) as attacker:
        attacker.answer = answer
        await attacker.greet(addresses=(attacker.address,), reachable=True)
        await stage.eventually(lambda: len(stage.victim._driver.engine._dht._table) == 2)
        for number in range(LOOKUPS):
            start = time.monotonic()
            async with asyncio.TaskGroup() as group:
                looking = group.create_task(stage.victim.dht_lookup(f"org.test.nobody{number}"))
                while not looking.done():
                    await stage.works()
            assert looking.result() == []
            print(f"lookup {number} among liars at {hosts} hosts took {time.monotonic() - start:.2f} s")
        first, *later = [each["failures"] for each in ended(stage)]
        assert first >= 3 and later == [0] * (LOOKUPS - 1), "who named those is not believed any more"
        print(f"a bystander got {seen.datagrams} datagrams, {seen.bytes} bytes")
        assert 0 < seen.datagrams <= 100
    transport.close()


def lie(number: int, place: Address) -> PeerInfo:
    """A sound record of a node that is not where it says."""
    return peer_info(identity(9000 + number), REALM, addresses=(place,), reachable=True)


def tells_of_lookups(line: logging.LogRecord) -> bool:
    """Of the debug lines, those about lookups that are over."""
    return line.levelno > logging.DEBUG or line.getMessage() == "dht.lookup.stop"


def ended(stage: Scene) -> list[dict[str, Any]]:
    """What the victim's log says of each lookup of records that is over, oldest first."""
    fields = [vars(line)["fields"] for line in stage.log.records if line.getMessage() == "dht.lookup.stop"]
    return [each for each in fields if each["kind"] == "value"]
