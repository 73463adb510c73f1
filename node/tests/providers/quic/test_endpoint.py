from __future__ import annotations

from macula.core.effects import ClosePeer, Multicast, SendDatagram, SendMessage
from macula.core.events import DatagramReceived, PeerConnected, PeerLost
from macula.core.lanes import Lane
from macula.wire import codes

from .network import Network, numbered


def test_dial_connects_both_sides_and_messages_flow() -> None:
    net = Network()
    a, b = net.host(1), net.host(2)
    dial = a.dial(b)
    net.run(1.0)
    assert a.connected == [PeerConnected(b.id, b.address, dial)]
    assert b.connected == [PeerConnected(a.id, a.address, None)]
    a.send(b, numbered(1))
    b.send(a, numbered(2), Lane.RPC)
    net.run(1.0)
    assert b.numbers(Lane.CONTROL) == [1]
    assert a.numbers(Lane.RPC) == [2]
    status = a.endpoint.path(b.id)
    assert status is not None and status.hops == 2 and abs(status.rtt - 0.02) < 0.01


def test_one_message_goes_to_several_peers_in_order_with_what_is_sent_to_each() -> None:
    net = Network()
    a, b = net.pair()
    c = net.host(3)
    a.dial(c)
    net.run(1.0)
    stranger = net.host(4)
    a.send(b, numbered(1), Lane.PUBSUB)
    a.do(Multicast((b.id, stranger.id, c.id), Lane.PUBSUB, numbered(2)))
    a.send(b, numbered(3), Lane.PUBSUB)
    net.run(1.0)
    assert b.numbers(Lane.PUBSUB) == [1, 2, 3]
    assert c.numbers(Lane.PUBSUB) == [2]
    assert stranger.events == []


def test_messages_that_are_sent_together_stay_in_order_on_each_lane() -> None:
    net = Network()
    a, b = net.pair()
    stranger = net.host(3)
    lanes = (Lane.RPC, Lane.RPC, Lane.PUBSUB, Lane.RPC, Lane.BULK, Lane.BULK)
    messages = [SendMessage(b.id, lane, numbered(number)) for number, lane in enumerate(lanes)]
    a.endpoint.send([*messages[:3], SendMessage(stranger.id, Lane.RPC, numbered(9)), *messages[3:]])
    net.run(1.0)
    assert (b.numbers(Lane.RPC), b.numbers(Lane.PUBSUB), b.numbers(Lane.BULK)) == ([0, 1, 3], [2], [4, 5])
    assert stranger.events == []


def test_close_peer_tells_code_and_reason_after_what_was_sent() -> None:
    net = Network()
    a, b = net.pair()
    a.send(b, numbered(1, 200_000), Lane.PUBSUB)
    a.do(ClosePeer(b.id, codes.IDLE, "not used"))
    net.run(2.0)
    assert a.lost == [PeerLost(b.id, codes.IDLE, "not used")]
    assert b.lost == [PeerLost(a.id, codes.IDLE, "not used")]
    assert b.numbers(Lane.PUBSUB) == [1]
    assert [type(m).__name__ for m in b.received(Lane.CONTROL)] == ["Disconnect"]
    net.run(10.0)
    assert a.endpoint.connections == b.endpoint.connections == 0
    assert a.endpoint.connection_ids == b.endpoint.connection_ids == 0


def test_a_long_reason_is_cut() -> None:
    net = Network()
    a, b = net.pair()
    a.do(ClosePeer(b.id, codes.UNEXPECTED, "x" * 5000))
    net.run(2.0)
    assert b.lost[0].code == codes.UNEXPECTED and set(b.lost[0].reason) == {"x"}


def test_raw_datagrams_pass_beside_the_connections() -> None:
    net = Network()
    a, b = net.host(1), net.host(2)
    for data in (b"\x00\x01stun", b"\x21probe", b"\x10neither", b""):
        a.do(SendDatagram(b.address, data))
    net.run(1.0)
    assert b.events == [DatagramReceived(a.address, b"\x00\x01stun"), DatagramReceived(a.address, b"\x21probe")]
    assert b.endpoint.connections == 0
