"""One message for many peers: those that are up get it together, each other one as if it had been sent alone."""

from __future__ import annotations

from msgspec.structs import replace

from macula.core.effects import Dial, Multicast, SendMessage
from macula.core.events import SendBlocked, SendReady
from macula.core.lanes import Lane
from macula.core.requests import SendFailed, SendToAll
from macula.engine.settings import PoolSettings
from macula.identity import NodeId
from macula.wire.messages import Publish

from .playbook import REALM, Table, hello, node

EVENT = Publish(REALM, "io.test.topic", b"\x01", 0, 7, 0, 0, "00-span")


def to(*indexes: int) -> SendToAll:
    return SendToAll(tuple(node(index) for index in indexes), Lane.PUBSUB, EVENT, 7)


def up(*capabilities: tuple[str, ...], pool: PoolSettings | None = None) -> Table:
    """Connected to as many peers, which have these capabilities."""
    table = Table(pool)
    for index, offered in enumerate(capabilities, start=1):
        table.connect(index)
        table.receive(index, replace(hello(index), capabilities=offered))
    return table


def multicast(*indexes: int, traced: bool = False, compressed: bool = False) -> Multicast:
    nodes: tuple[NodeId, ...] = tuple(node(index) for index in indexes)
    message = EVENT if traced else replace(EVENT, traceparent="")
    return Multicast(nodes, Lane.PUBSUB, message, compressed)


def test_peers_that_understand_the_same_get_it_together() -> None:
    table = up((), ("zstd", "trace"), (), ("trace",))
    assert table.peers.send_all(to(1, 2, 3, 4), 0.1) == [
        multicast(1, 3),
        multicast(2, traced=True, compressed=True),
        multicast(4, traced=True),
    ]
    stats = table.peers.pool_stats()
    assert (stats.hits, stats.misses) == (4, 0)
    assert table.peers.send_all(to(), 0.2) == []


def test_a_blocked_lane_keeps_it_until_there_is_room_and_the_others_do_not_wait() -> None:
    table = up((), (), ())
    table.peers.lane(SendBlocked(node(2), Lane.PUBSUB))
    table.peers.lane(SendBlocked(node(3), Lane.RPC))
    assert table.peers.send_all(to(1, 2, 3), 0.1) == [multicast(1, 3)]
    assert table.peers.queued == 1
    assert table.peers.lane(SendReady(node(2), Lane.PUBSUB)) == [
        SendMessage(node(2), Lane.PUBSUB, replace(EVENT, traceparent=""))
    ]


def test_what_waits_is_not_overtaken_and_a_full_queue_is_told() -> None:
    table = up((), (), pool=PoolSettings(pending_messages=1))
    table.peers.lane(SendBlocked(node(2), Lane.PUBSUB))
    assert table.peers.send_all(to(1, 2), 0.1) == [multicast(1)]
    failed = SendFailed(7, node(2), "busy", "too many messages wait for this peer")
    assert table.peers.send_all(to(1, 2), 0.2) == [multicast(1), failed]


def test_who_is_not_connected_is_dialed() -> None:
    table = up(())
    table.learn(2)
    table.connect(3)
    sent, dial = table.peers.send_all(to(1, 2, 3), 0.1)
    assert sent == multicast(1)
    assert isinstance(dial, Dial) and dial.expected == node(2)
    up_now = table.receive(3, hello(3), 0.2)
    assert SendMessage(node(3), Lane.PUBSUB, replace(EVENT, traceparent="")) in up_now
