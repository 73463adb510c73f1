"""One connection table with its dialer, and what a remote node would show it."""

from __future__ import annotations

import random
from functools import lru_cache
from itertools import count

from macula.core.address import Address
from macula.core.effects import ClosePeer, Dial, SendMessage
from macula.core.events import MessageReceived, PeerConnected, PeerLost
from macula.core.lanes import Lane
from macula.core.mode import Mode
from macula.core.peer_record import PeerInfo, sign_peer
from macula.core.requests import LearnPeer, SendTo
from macula.engine.dialer import Dialer
from macula.engine.hello import make_hello
from macula.engine.peers import Outcome, PeerTable
from macula.engine.self_record import SelfRecord
from macula.engine.settings import EngineSettings, PoolSettings
from macula.identity import Identity, NodeId
from macula.wire.messages import Call, Hello, Message, Ping

WALL = 1_800_000_000.0
REALM = "io.test"


@lru_cache(maxsize=256)
def identity(index: int) -> Identity:
    return Identity.from_random(random.Random(index))


def node(index: int) -> NodeId:
    return identity(index).node_id


def address(index: int) -> Address:
    return Address(f"10.0.0.{index}", 9443)


@lru_cache(maxsize=256)
def peer_info(
    index: int,
    *,
    realms: tuple[str, ...] = (REALM,),
    at: Address | None = None,
    reachable: bool = True,
    wall: float = WALL,
    ttl: int = 300,
) -> PeerInfo:
    return sign_peer(
        identity(index),
        addresses=(at or address(index),),
        reachable=reachable,
        name=f"node-{index}",
        mode="edge",
        realms=realms,
        wall=wall,
        ttl=ttl,
    )


def hello(index: int) -> Hello:
    return make_hello(peer_info(index))


def edge(pool: PoolSettings | None = None) -> EngineSettings:
    return EngineSettings(Mode.EDGE, "node-0", REALM, pool=pool or PoolSettings())


def call(number: int, realm: str = REALM) -> Call:
    return Call(realm, number.to_bytes(16, "big"), "io.test.add", b"\x01", 1000)


def send(index: int, number: int, *, lane: Lane = Lane.RPC, message: Message | None = None) -> SendTo:
    """A request whose token and message carry the number."""
    return SendTo(node(index), lane, message or call(number), number)


def dht_send(index: int, number: int) -> SendTo:
    return send(index, number, lane=Lane.CONTROL, message=Ping(number))


class Table:
    """Node 0's connections, driven by hand. Tokens of the table are 1000 and up."""

    def __init__(self, pool: PoolSettings | None = None) -> None:
        settings = edge(pool)
        tokens = count(1000)
        own = SelfRecord(identity(0), settings)
        own.set_addresses((address(0),), 0.0, WALL)
        assert own.info is not None
        self.hello = make_hello(own.info, settings.capabilities)
        self.dialer = Dialer(settings.pool, tokens)
        self.peers = PeerTable(node(0), settings, own, self.dialer, tokens)

    def learn(self, index: int) -> None:
        self.peers.learn(LearnPeer(peer_info(index)))

    def connect(self, index: int, now: float = 0.0, *, dial: int | None = None, fresh: bool = True) -> list[Outcome]:
        return self.peers.connected(PeerConnected(node(index), address(index), dial, fresh), now)

    def receive(self, index: int, message: Message, now: float = 0.0, lane: Lane = Lane.CONTROL) -> list[Outcome]:
        return self.peers.received(MessageReceived(node(index), lane, message, 100), now, WALL + now)

    def up(self, index: int, now: float = 0.0, *, dial: int | None = None) -> list[Outcome]:
        """Connected, and hello came."""
        return [*self.connect(index, now, dial=dial), *self.receive(index, hello(index), now)]

    def lose(self, index: int, now: float = 0.0, code: str = "idle", reason: str = "gone") -> list[Outcome]:
        return self.peers.lost(PeerLost(node(index), code, reason), now)


def sent(outcomes: list[Outcome]) -> list[Message]:
    """The messages handed to the transport, hellos left out."""
    return [o.message for o in outcomes if isinstance(o, SendMessage) and not isinstance(o.message, Hello)]


def dials(outcomes: list[Outcome]) -> list[Dial]:
    return [o for o in outcomes if isinstance(o, Dial)]


def closes(outcomes: list[Outcome]) -> list[tuple[NodeId, str]]:
    return [(o.peer, o.code) for o in outcomes if isinstance(o, ClosePeer)]


def story(outcomes: list[Outcome]) -> list[str]:
    """The kinds of outcomes, in order, without traces."""
    return [type(o).__name__ for o in outcomes if type(o).__name__ != "Trace"]
