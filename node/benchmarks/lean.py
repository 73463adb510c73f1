"""As little of a node as there can be on a node's own transport: it greets and pings. So what is measured of the other
side, a whole node, does not drown in a mesh of hundreds that get to know each other."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from benchmarks.nodes import REALM
from macula.core.address import Address
from macula.core.effects import ClosePeer, Dial, SendMessage
from macula.core.events import DialFailed, Event, MessageReceived, PeerConnected
from macula.core.lanes import Lane
from macula.core.peer_record import sign_peer
from macula.engine.hello import check_hello, make_hello
from macula.identity import Identity, NodeId
from macula.providers.quic.transport import QuicTransport
from macula.wire import codes
from macula.wire.messages import Hello, Ping, Pong

_TIMEOUT = 10.0


class LeanPeer:
    """One identity on one port. Make it by `lean_peers`."""

    def __init__(self) -> None:
        identity = Identity.generate()
        info = sign_peer(
            identity,
            addresses=(),
            reachable=False,
            name="lean",
            mode="edge",
            realms=(REALM,),
            wall=time.time(),
            ttl=3600,
        )
        self.transport = QuicTransport(identity, Address("127.0.0.1", 0))
        self._hello = make_hello(info)
        self._numbers = itertools.count(1)
        self._waiting: asyncio.Future[NodeId] | None = None

    async def open(self, place: str) -> NodeId:
        """Connect, exchange hellos, ping. Raises ConnectionError."""
        self._waiting = asyncio.get_running_loop().create_future()
        dial = Dial(next(self._numbers), (Address.parse(place),), None, _TIMEOUT, host="127.0.0.1")
        self.transport.execute(dial)
        async with asyncio.timeout(_TIMEOUT):
            return await self._waiting

    def close(self, peer: NodeId) -> None:
        """End the connection."""
        self.transport.execute(ClosePeer(peer, codes.GOING_AWAY, "enough"))

    def take(self, events: Sequence[Event]) -> None:
        """Of the transport."""
        for event in events:
            self._take(event)

    def _take(self, event: Event) -> None:
        match event:
            case PeerConnected(peer=peer):
                self.transport.execute(SendMessage(peer, Lane.CONTROL, self._hello, False))
            case MessageReceived(peer=peer, message=Hello() as hello):
                check_hello(peer, hello, (REALM,), time.time())
                if self._waiting is not None:
                    self.transport.execute(SendMessage(peer, Lane.CONTROL, Ping(next(self._numbers)), False))
            case MessageReceived(peer=peer, message=Ping(request)):
                self.transport.execute(SendMessage(peer, Lane.CONTROL, Pong(request), False))
            case MessageReceived(peer=peer, message=Pong()) if self._waiting is not None:
                self._waiting.set_result(peer)
                self._waiting = None
            case DialFailed(reason=reason) if self._waiting is not None:
                self._waiting.set_exception(ConnectionError(reason))
                self._waiting = None


@asynccontextmanager
async def lean_peers(count: int) -> AsyncIterator[list[LeanPeer]]:
    """So many, listening."""
    async with AsyncExitStack() as stack:
        peers = [LeanPeer() for _ in range(count)]
        for peer in peers:
            await peer.transport.open(peer.take)
            stack.push_async_callback(peer.transport.close)
        yield peers
