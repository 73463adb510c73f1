"""What is said of found records."""

from __future__ import annotations

import asyncio
import random
from types import SimpleNamespace
from typing import Any

import pytest

from macula.core.address import Address
from macula.core.peer_record import sign_peer
from macula.core.record import Kind, Record, sign_record
from macula.core.results import LookupResult
from macula.errors import NodeClosed
from macula.identity import Identity, NodeId
from macula.runtime.status import StatusReporter

WALL = 1_800_000_000.0
PEOPLE = [Identity.from_random(random.Random(number)) for number in range(40)]
ADDRESSES = (Address("10.0.0.1", 9443), Address("10.0.0.2", 9443))


def record(who: Identity) -> Record:
    return sign_record(who, "io.test", Kind.RPC, "io.test.add", 1, wall=WALL, ttl=300)


def peer_record(who: NodeId) -> Record:
    identity = next(person for person in PEOPLE if person.node_id == who)
    info = sign_peer(
        identity,
        addresses=ADDRESSES,
        reachable=True,
        name=f"n{PEOPLE.index(identity)}",
        mode="edge",
        realms=("io.test",),
        wall=WALL,
        ttl=300,
    )
    return info.record


def reporter(find: Any) -> StatusReporter:
    anything: Any = SimpleNamespace()
    return StatusReporter(NodeId(bytes(32)), anything, anything, (), find, anything, None)


async def test_peers_are_looked_up_together_a_bounded_number_at_a_time_and_keep_their_order() -> None:
    running = most = 0
    full = asyncio.Event()

    async def find(node: NodeId) -> LookupResult:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == 16:
            full.set()
        async with asyncio.timeout(5):
            await full.wait()
        running -= 1
        return LookupResult(bytes(32), (peer_record(node),), (), ())

    found = await reporter(find).records([record(person) for person in PEOPLE])
    assert most == 16
    assert [entry["name"] for entry in found] == [f"n{number}" for number in range(40)]


async def test_all_addresses_of_a_node_are_told_and_the_first_one_by_itself() -> None:
    async def find(node: NodeId) -> LookupResult:
        return LookupResult(bytes(32), (peer_record(node),) if node == PEOPLE[0].node_id else (), (), ())

    known, unknown = await reporter(find).records([record(PEOPLE[0]), record(PEOPLE[1])])
    assert (known["address"], known["addresses"]) == ("10.0.0.1:9443", ["10.0.0.1:9443", "10.0.0.2:9443"])
    assert (unknown["address"], unknown["addresses"], unknown["name"]) == ("", [], "")


async def test_a_peer_record_needs_no_lookup() -> None:
    (found,) = await reporter(None).records([peer_record(PEOPLE[3].node_id)])
    assert (found["name"], found["mode"], found["address"]) == ("n3", "edge", "10.0.0.1:9443")


async def test_an_error_is_raised_as_it_is() -> None:
    async def find(_: NodeId) -> LookupResult:
        raise NodeClosed("the node is shutting down")

    with pytest.raises(NodeClosed):
        await reporter(find).records([record(PEOPLE[0]), record(PEOPLE[1])])
