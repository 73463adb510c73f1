"""The driver on real loopback sockets."""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from macula.core.address import Address
from macula.core.effects import ClosePeer, Dial, SendMessage
from macula.core.events import DialFailed, Event, MessageReceived, PeerConnected, PeerLost, PeerSuspect
from macula.core.lanes import Lane
from macula.identity import Identity, NodeId
from macula.providers.quic import QuicSettings, QuicTransport
from macula.wire import codes
from macula.wire.messages import Ping, Pong, Publish

LOOPBACK = Address("127.0.0.1", 0)


class Node:
    """A transport whose events can be waited for. It answers pings."""

    def __init__(self, seed: int, local: Address = LOOPBACK, settings: QuicSettings | None = None) -> None:
        self.identity = Identity.from_random(random.Random(seed))
        self.id: NodeId = self.identity.node_id
        self.transport = QuicTransport(self.identity, local, settings)
        self.events: list[Event] = []
        self._changed = asyncio.Event()
        self._dials = 0

    def deliver(self, events: Sequence[Event]) -> None:
        self.events += events
        self._changed.set()
        for event in events:
            if isinstance(event, MessageReceived) and isinstance(event.message, Ping):
                self.transport.execute(SendMessage(event.peer, event.lane, Pong(event.message.request)))

    async def until(self, found: Callable[[Event], bool]) -> Event:
        async with asyncio.timeout(10):
            while True:
                for event in self.events:
                    if found(event):
                        return event
                self._changed.clear()
                await self._changed.wait()

    async def dial(self, *addresses: Address, expected: NodeId | None = None, within: float = 5.0) -> Event:
        self._dials += 1
        dial = self._dials
        self.transport.execute(Dial(dial, addresses, expected, within))
        return await self.until(lambda event: getattr(event, "dial", None) == dial)


@asynccontextmanager
async def nodes(*made: Node) -> AsyncIterator[None]:
    for node in made:
        await node.transport.open(node.deliver)
    try:
        yield
    finally:
        for node in made:
            await node.transport.close()


async def test_connect_ping_and_close() -> None:
    a, b = Node(1), Node(2)
    async with nodes(a, b):
        connected = await a.dial(b.transport.local_address, expected=b.id)
        assert connected == PeerConnected(b.id, b.transport.local_address, 1)
        a.transport.execute(SendMessage(b.id, Lane.RPC, Ping(7)))
        got = await a.until(lambda event: isinstance(event, MessageReceived))
        assert isinstance(got, MessageReceived) and got.message == Pong(7) and got.lane is Lane.RPC
        status = a.transport.path(b.id)
        assert status is not None and status.hops == 0 and status.address == b.transport.local_address
        await b.transport.close()
        assert await a.until(lambda e: isinstance(e, PeerLost)) == PeerLost(b.id, "going_away", "the node is stopping")
        await b.transport.close()


async def test_names_are_resolved_and_one_that_has_no_address_fails_the_dial() -> None:
    a, b = Node(1), Node(2)
    async with nodes(a, b):
        port = b.transport.local_address.port
        assert isinstance(await a.dial(Address("localhost", port)), PeerConnected)
        failed = await a.dial(Address("no-such-host.invalid", port), within=8.0)
        assert isinstance(failed, DialFailed) and "no-such-host.invalid" in failed.reason


async def test_a_dial_that_nobody_answers_fails_at_its_timeout_naming_the_address() -> None:
    a = Node(1)
    async with nodes(a):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            target = Address(*silent.getsockname())
            before = asyncio.get_running_loop().time()
            failed = await a.dial(target, within=0.3)
            assert asyncio.get_running_loop().time() - before > 0.25, "not before"
        assert isinstance(failed, DialFailed) and str(target) in failed.reason


async def test_unreachable_addresses_and_garbage_do_no_harm() -> None:
    a, b = Node(1), Node(2)
    async with nodes(a, b):
        target = b.transport.local_address
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as noise:
            for size in (0, 1, 2, 7, 1200, 60000):
                noise.sendto(os.urandom(size), (target.host, target.port))
        unreachable = Address("255.255.255.255", 9), Address("0.0.0.0", 9), Address("::1", target.port)
        assert isinstance(await a.dial(*unreachable, target, expected=b.id), PeerConnected)
        refused = await a.dial(Address("::1", 9443))
        assert isinstance(refused, DialFailed) and "IPv6" in refused.reason


async def test_two_hundred_dials_leave_nothing_behind() -> None:
    a, b = Node(1, settings=QuicSettings(linger_time=0.1)), Node(2, settings=QuicSettings(linger_time=0.1))
    async with nodes(a, b):
        descriptors = open_descriptors()
        tasks = len(asyncio.all_tasks())
        for _ in range(200):
            await a.dial(b.transport.local_address, expected=b.id)
            a.transport.execute(ClosePeer(b.id, codes.IDLE, "not used"))
            await b.until(lambda event: isinstance(event, PeerLost))
            a.events.clear()
            b.events.clear()
        async with asyncio.timeout(5):
            for node in (a, b):
                await settled(node)
        for node in (a, b):
            assert node.transport._endpoint.connections == 0
            assert not node.transport._endpoint._connections._timers._due
        assert open_descriptors() == descriptors
        assert len(asyncio.all_tasks()) == tasks


@pytest.mark.parametrize(("limit", "size"), [(1200, 1200), (1408, 1408), (8908, 8908), (65527, 8908)])
async def test_datagrams_grow_to_what_loopback_carries_and_eight_mebibytes_arrive_intact(limit: int, size: int) -> None:
    # No IPv4 link carries 65527 bytes after its headers: the system refuses to send them.
    settings = QuicSettings(max_datagram_size=limit)
    a, b = Node(1, settings=settings), Node(2, settings=settings)
    async with nodes(a, b):
        await a.dial(b.transport.local_address, expected=b.id)
        sent = [Publish("r", "t.x", random.Random(n).randbytes(1 << 18), 0, 1, n, 0) for n in range(32)]
        for message in sent[:16]:
            a.transport.execute(SendMessage(b.id, Lane.PUBSUB, message))
        await true(lambda: datagram_sizes(a, b) == (size, size))
        for message in sent[16:]:
            a.transport.execute(SendMessage(b.id, Lane.PUBSUB, message))
        await b.until(lambda event: isinstance(event, MessageReceived) and event.message == sent[-1])
        assert [event.message for event in b.events if isinstance(event, MessageReceived)] == sent
        assert datagram_sizes(a, b) == (size, size)
        assert not any(isinstance(event, PeerLost | PeerSuspect) for event in a.events + b.events)


def datagram_sizes(a: Node, b: Node) -> tuple[int | None, int | None]:
    return a.transport._endpoint.datagram_size(b.id), b.transport._endpoint.datagram_size(a.id)


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def settled(node: Node) -> None:
    """Return once the node has forgotten all connection ids."""
    await true(lambda: not node.transport._endpoint.connection_ids)


async def true(condition: Callable[[], bool]) -> None:
    """Return once it is, looking again every 10 ms."""
    while not condition():
        turn = asyncio.Event()
        asyncio.get_running_loop().call_later(0.01, turn.set)
        await turn.wait()


async def test_ipv6() -> None:
    local = Address("::1", 0)
    a, b = Node(1, local), Node(2, local)
    async with nodes(a, b):
        assert isinstance(await a.dial(b.transport.local_address, expected=b.id), PeerConnected)
