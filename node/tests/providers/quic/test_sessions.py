"""Two dials that cross, restarts, repeated dials: one connection per peer, nothing lost, nothing out of order."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from macula.core.effects import ClosePeer
from macula.core.events import MessageReceived, PeerConnected
from macula.core.lanes import Lane
from macula.wire import codes

from .network import Host, Link, Network, numbered


def dial_each_other(net: Network) -> tuple[Host, Host]:
    a, b = net.host(1), net.host(2)
    a.dial(b)
    b.dial(a)
    return a, b


def connect_and_talk(net: Network, a: Host, b: Host, seconds: float = 3.0, later: int = 0) -> None:
    """Each side sends number 1, 2, 3 ... on every lane from the moment it is connected; on each lane but the first one
    it begins `later` numbers after the lane before."""
    counts = {a.id: 0, b.id: 0}

    def talk() -> bool:
        for host, peer in ((a, b), (b, a)):
            if counts[host.id] < 40 and host.connected and not host.lost:
                counts[host.id] += 1
                for lane in list(Lane)[: 1 + (counts[host.id] - 1) // later if later else None]:
                    host.send(peer, numbered(counts[host.id], 500), lane)
        return False

    net.run(seconds, talk)
    net.run(10.0)
    assert counts == {a.id: 40, b.id: 40}


def test_crossing_dials_end_as_one_connection_with_the_smaller_id_as_client() -> None:
    net = Network()
    a, b = dial_each_other(net)
    connect_and_talk(net, a, b)
    for host, peer in ((a, b), (b, a)):
        assert host.connected == [PeerConnected(peer.id, peer.address, 1)]
        assert not host.lost and not host.failed
        for lane in Lane:
            assert host.numbers(lane) == list(range(1, 41))
        assert host.endpoint.connections == 1
        (connection,) = host.endpoint._connections
        assert connection.is_client == (host.id < peer.id)


@given(
    seed=st.integers(0, 2**32),
    skew=st.floats(0, 0.06),
    loss=st.sampled_from([0.0, 0.05, 0.1]),
    jitter=st.sampled_from([0.0, 0.02]),
    later=st.sampled_from([0, 1, 3]),
)
def test_crossing_dials_lose_and_reorder_nothing_whatever_the_timing(
    seed: int, skew: float, loss: float, jitter: float, later: int
) -> None:
    net = Network(seed)
    net.link = Link(0.02, jitter=jitter, loss=loss)
    a, b = net.host(1), net.host(2)
    a.dial(b, timeout=20.0)
    net.run(skew)
    b.dial(a, timeout=20.0)
    connect_and_talk(net, a, b, 30.0, later)
    for host in (a, b):
        fresh = [event for event in host.connected if event.fresh]
        assert len(fresh) == 1 and not host.lost and not host.failed
        assert [event.dial for event in host.connected if event.dial] == [1]
        for lane in Lane:
            assert host.numbers(lane) == list(range(1 + later * lane, 41))
        assert host.endpoint.connections == 1


@given(skew=st.floats(0, 0.06), begin=st.floats(0, 0.12), length=st.floats(0.4, 3.0), which=st.integers(0, 1))
@example(skew=0.0, begin=0.02, length=1.2, which=0)
@example(skew=0.0, begin=0.04, length=1.2, which=1)
def test_crossing_dials_of_a_host_so_busy_that_the_other_doubts_it_lose_nothing(
    skew: float, begin: float, length: float, which: int
) -> None:
    net = Network()
    net.link = Link(0.02)
    a, b = net.host(1), net.host(2)
    net.deaf[(a, b)[which].address] = (net.now + begin, net.now + begin + length)
    a.dial(b, timeout=20.0)
    net.run(skew)
    b.dial(a, timeout=20.0)
    connect_and_talk(net, a, b, 10.0)
    for host in (a, b):
        assert len([event for event in host.connected if event.fresh]) == 1 and not host.lost and not host.failed
        for lane in Lane:
            assert host.numbers(lane) == list(range(1, 41))
        assert host.endpoint.connections == 1


def test_a_lane_that_the_losing_connection_never_used_waits_for_nothing() -> None:
    net = Network()
    a, b = dial_each_other(net)
    net.run(0.5)
    for host, peer in ((a, b), (b, a)):
        for lane in Lane:
            host.send(peer, numbered(1), lane)
    net.run(0.2)
    for host in (a, b):
        assert [host.numbers(lane) for lane in Lane] == [[1]] * len(Lane)


def test_a_lane_is_opened_by_the_first_message_on_it() -> None:
    net = Network()
    a, b = net.pair()
    net.run(1.0)
    (theirs,) = b.endpoint._connections
    assert list(theirs.inbound._by_lane) == [Lane.CONTROL]
    a.send(b, numbered(1), Lane.BULK)
    a.send(b, numbered(2), Lane.BULK)
    net.run(1.0)
    assert list(theirs.inbound._by_lane) == [Lane.CONTROL, Lane.BULK] and b.numbers(Lane.BULK) == [1, 2]


def test_a_restarted_peer_replaces_its_old_connection() -> None:
    net = Network()
    a, _ = net.pair()
    b = net.host(2)
    b.dial(a)
    net.run(1.0)
    assert a.connected == [PeerConnected(b.id, b.address, None, fresh=True)]
    assert not a.lost
    a.send(b, numbered(1))
    b.send(a, numbered(2))
    net.run(1.0)
    assert b.numbers() == [1] and a.numbers() == [2]
    assert a.endpoint.connections == 1


def test_dialing_a_restarted_peer_by_address_finds_its_new_self() -> None:
    net = Network()
    a, _ = net.pair()
    b = net.host(2)
    dial = a.dial(b.address)
    net.run(1.0)
    assert a.connected == [PeerConnected(b.id, b.address, dial, fresh=True)]
    assert [event.peer for event in b.connected] == [a.id]
    assert a.endpoint.connections == b.endpoint.connections == 1


def test_a_peer_that_gave_its_connection_up_and_dials_again_replaces_it() -> None:
    net = Network()
    a, b = net.pair()
    net.tap = lambda data, source, target: source != b.address
    b.do(ClosePeer(a.id, codes.IDLE, "not used"))
    net.run(3.0)
    net.tap = lambda data, source, target: True
    b.dial(a)
    net.run(1.0)
    assert [event.fresh for event in a.connected] == [True] and not a.lost
    a.send(b, numbered(7))
    net.run(1.0)
    assert b.numbers() == [7]


@pytest.mark.parametrize("by_address", [False, True])
def test_a_dial_to_a_connected_peer_is_answered_by_the_connection_there_is(by_address: bool) -> None:
    net = Network()
    a, b = net.pair()
    dial = b.dial(a.address if by_address else a)
    net.run(1.0)
    assert b.connected == [PeerConnected(a.id, a.address, dial, fresh=False)]
    assert not a.connected and not a.lost
    assert a.endpoint.connections == b.endpoint.connections == 1


def test_all_dials_to_one_peer_are_answered_once() -> None:
    net = Network()
    a, b = net.host(1), net.host(2)
    dials = [a.dial(b), a.dial(b), a.dial(b.address)]
    net.run(2.0)
    assert sorted(event.dial or 0 for event in a.connected) == dials
    assert [event.fresh for event in a.connected] == [True, False, False]
    assert len(b.connected) == 1
    assert a.endpoint.connections == b.endpoint.connections == 1


def test_messages_come_only_between_connected_and_lost() -> None:
    net = Network()
    a, b = dial_each_other(net)
    net.run(1.0)
    a.send(b, numbered(1))
    a.do(ClosePeer(b.id, codes.GOING_AWAY, ""))
    net.run(10.0)
    kinds = [type(event).__name__ for event in b.events if isinstance(event, MessageReceived) or event in b.lost]
    assert kinds[-1] == "PeerLost" and b.numbers() == [1]
