"""Whole connections through tunnels, on real loopback sockets."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from macula.core.address import Address
from macula.core.effects import Dial, SendMessage
from macula.core.events import DialFailed, MessageReceived, PeerConnected, PeerLost, PeerSuspect
from macula.core.lanes import Lane
from macula.providers.quic import QuicSettings, QuicTransport
from macula.providers.quic.tunnel.settings import TunnelSettings
from macula.wire.messages import Ping, Pong, Publish

from .test_transport import LOOPBACK, Node, true


class TunnelNode(Node):
    """A transport with tunnels."""

    def __init__(self, seed: int, settings: QuicSettings | None = None, tunnels: TunnelSettings | None = None) -> None:
        super().__init__(seed)
        self.transport = QuicTransport(self.identity, LOOPBACK, settings, tunnels=tunnels or TunnelSettings())

    @property
    def tunnel(self) -> Address:
        """Where it takes tunnels."""
        return Address("127.0.0.1", 1).tunnel(self.transport.tunnels.ports[0])


@asynccontextmanager
async def pair(tunnels: TunnelSettings | None = None) -> AsyncIterator[tuple[TunnelNode, TunnelNode]]:
    """Two nodes; the second takes tunnels."""
    a, b = TunnelNode(1, tunnels=tunnels), TunnelNode(2, tunnels=tunnels)
    for node in (a, b):
        await node.transport.open(node.deliver)
    assert b.transport.listen((0,)) == {}
    try:
        yield a, b
    finally:
        await a.transport.close()
        await b.transport.close()
        assert not b.transport.tunnels.inbound and not a.transport.tunnels.outbound


async def ping(asker: Node, other: Node, number: int) -> None:
    """A message there and one back."""
    asker.transport.execute(SendMessage(other.id, Lane.RPC, Ping(number)))
    await asker.until(lambda event: isinstance(event, MessageReceived) and event.message == Pong(number))


async def test_where_udp_answers_no_tunnel_is_opened() -> None:
    async with pair() as (a, b):
        connected = await a.dial(b.transport.local_address, b.tunnel, expected=b.id)
        assert connected == PeerConnected(b.id, b.transport.local_address, 1)
        await ping(a, b, 1)
        assert (a.transport.tunnels.outbound, b.transport.tunnels.inbound) == (0, 0)
        path = a.transport.path(b.id)
        assert path is not None and path.carrier == "udp"


async def test_where_udp_gets_no_answer_a_tunnel_carries_the_connection_a_moment_later() -> None:
    async with pair() as (a, b):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            before = asyncio.get_running_loop().time()
            connected = await a.dial(Address(*silent.getsockname()), b.tunnel, expected=b.id)
            took = asyncio.get_running_loop().time() - before
        assert connected == PeerConnected(b.id, b.tunnel, 1)
        assert 0.3 <= took < 1.0
        await ping(a, b, 1)
        await ping(b, a, 2)
        paths = a.transport.path(b.id), b.transport.path(a.id)
        assert all(
            path is not None and (path.kind, path.carrier, path.hops) == ("direct", "tcp", None) for path in paths
        )
        assert (a.transport.tunnels.outbound, b.transport.tunnels.inbound) == (1, 1)


async def test_four_mebibytes_arrive_intact_in_datagrams_that_stay_small() -> None:
    async with pair() as (a, b):
        await a.dial(b.tunnel, expected=b.id)
        await b.until(lambda event: isinstance(event, PeerConnected))
        sent = [Publish("r", "t.x", random.Random(n).randbytes(1 << 18), 0, 1, n, 0) for n in range(16)]
        for message in sent:
            a.transport.execute(SendMessage(b.id, Lane.PUBSUB, message))
            b.transport.execute(SendMessage(a.id, Lane.PUBSUB, message))
        for node in (a, b):
            await node.until(lambda event: isinstance(event, MessageReceived) and event.message == sent[-1])
            assert [event.message for event in node.events if isinstance(event, MessageReceived)] == sent
            assert not any(isinstance(event, PeerLost | PeerSuspect) for event in node.events)
        assert a.transport._endpoint.datagram_size(b.id) == b.transport._endpoint.datagram_size(a.id) == 1200


async def test_a_connection_survives_its_tunnel_whichever_side_it_breaks_on() -> None:
    async with pair() as (a, b):
        await a.dial(b.tunnel, expected=b.id)
        await ping(a, b, 1)
        for number, node in enumerate((a, b, a), 2):
            tunnels = node.transport._tunnels
            assert tunnels is not None
            (link,) = tunnels._links.values()
            before = b.transport.path(a.id)
            link.abort()
            await ping(a, b, number)
            await ping(b, a, number + 10)
            after = b.transport.path(a.id)
            assert before and after and before.address != after.address, "it is the client that opens another one"
            # An address is not opened again at once; two breaks in a row must not outrun that.
            await true(lambda: a.transport.tunnels.outbound == 1 and b.transport.tunnels.inbound == 1)
        assert not any(isinstance(event, PeerLost) for event in a.events + b.events)


async def test_a_connection_leaves_a_tunnel_that_died_without_a_word() -> None:
    # It does so by QUIC's doubt, which needs none of the tunnel's own pings.
    async with pair(TunnelSettings(ping_interval=3600, dead_after=3600)) as (a, b):
        await a.dial(b.tunnel, expected=b.id)
        await ping(a, b, 1)
        for node in (a, b):
            (link,) = node.transport._tunnels._links.values()  # type: ignore[union-attr]
            # As behind a NAT that has restarted: nothing arrives any more, and nobody is told.
            asyncio.get_running_loop().remove_reader(link._stream.fileno())
        await ping(a, b, 2)
        await ping(b, a, 3)
        assert not any(isinstance(event, PeerLost) for event in a.events + b.events)


async def test_a_node_without_tunnels_says_so() -> None:
    a = Node(1)
    await a.transport.open(a.deliver)
    try:
        failed = await a.dial(Address("127.0.0.1", 1).tunnel(443))
        assert isinstance(failed, DialFailed)
        assert failed.reason == "wss://127.0.0.1:443: this node does not use TCP"
        assert a.transport.listen((0,)) == {} and a.transport.tunnels.ports == ()
    finally:
        await a.transport.close()


async def test_a_name_is_looked_up_for_a_tunnel_too() -> None:
    async with pair() as (a, b):
        connected = await a.dial(Address("localhost", 1).tunnel(b.tunnel.port), expected=b.id)
        assert isinstance(connected, PeerConnected) and connected.route in (b.tunnel, b.tunnel._replace(host="::1"))


async def test_who_answers_in_a_tunnel_must_be_who_is_expected() -> None:
    async with pair() as (a, b):
        stranger = TunnelNode(3)
        failed = await a.dial(b.tunnel, expected=stranger.id)
        assert isinstance(failed, DialFailed) and failed.code == "bad_identity"


async def test_a_dial_that_nobody_takes_ends_at_its_timeout() -> None:
    async with pair() as (a, b):
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            port = deaf.getsockname()[1]
            a.transport.execute(Dial(7, (Address("127.0.0.1", 9).tunnel(port),), b.id, 0.5))
            failed = await a.until(lambda event: getattr(event, "dial", None) == 7)
        assert isinstance(failed, DialFailed) and str(port) in failed.reason
