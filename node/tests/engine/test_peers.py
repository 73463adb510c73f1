"""The connection table: hello, lanes, replacement, idle and evicted connections."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from macula.core.effects import ClosePeer, Dial, SendMessage, Trace
from macula.core.events import UNREACHABLE, DialFailed, PeerConnected, PeerSuspect, SendBlocked, SendReady
from macula.core.lanes import Lane
from macula.core.requests import FindPeer, Hold, PeerDown, PeerFound, PeerUp, Received, Release, Route, SendFailed
from macula.core.results import PoolStatistics
from macula.engine.notices import AddressFailed, AddressUp
from macula.engine.settings import PoolSettings
from macula.wire.messages import Disconnect, Message, Ping, Pong, Reply

from .playbook import (
    REALM,
    Table,
    address,
    call,
    closes,
    dht_send,
    dials,
    hello,
    node,
    peer_info,
    send,
    sent,
    story,
)


def test_hello_goes_out_first_and_the_peer_is_up_when_its_hello_came() -> None:
    table = Table()
    assert table.connect(1) == [SendMessage(node(1), Lane.CONTROL, table.hello)]
    assert not table.peers.is_up(node(1))
    assert table.receive(1, hello(1), 0.1) == [PeerUp(node(1), hello(1), peer_info(1), inbound=True, route=address(1))]
    assert table.peers.is_up(node(1))
    (status,) = table.peers.status()
    assert (status.node_id, status.name, status.mode, status.inbound, status.since) == (
        node(1), "node-1", "edge", True, 0.0,
    )  # fmt: skip


@pytest.mark.parametrize("first", [Ping(1), call(1), Pong(1)])
def test_anything_before_hello_is_refused(first: Message) -> None:
    table = Table()
    table.connect(1)
    outcomes = table.receive(1, first)
    assert closes(outcomes) == [(node(1), "unexpected")]
    assert story(outcomes) == ["ClosePeer"]
    assert table.receive(1, hello(1)) == []
    assert story(table.lose(1)) == []


def test_a_second_hello_is_refused() -> None:
    table = Table()
    table.up(1)
    outcomes = table.receive(1, hello(1))
    assert story(outcomes) == ["ClosePeer", "PeerDown"]
    assert outcomes[2] == PeerDown(node(1), "unexpected", "a second hello")
    assert story(table.lose(1)) == []


def test_a_bad_hello_closes_with_its_code_and_is_traced_once_a_minute() -> None:
    table = Table()
    table.connect(1)
    trace, close = table.receive(1, replace(hello(1), version_min=3, version_max=4))
    assert isinstance(trace, Trace)
    assert (trace.name, trace.fields["code"], trace.limit) == (
        "peer.refused",
        "no_common_version",
        f"refused {node(1)}",
    )
    assert isinstance(close, ClosePeer)
    assert (close.peer, close.code) == (node(1), "no_common_version")


def test_no_hello_within_five_seconds() -> None:
    table = Table()
    table.connect(1, 10.0)
    assert table.peers.next_deadline() == 15.0
    assert table.peers.tick(14.9) == []
    assert closes(table.peers.tick(15.0)) == [(node(1), "unexpected")]
    assert table.peers.tick(16.0) == []


def test_a_disconnect_before_hello_waits_for_the_loss() -> None:
    table = Table()
    table.connect(1)
    assert table.receive(1, Disconnect("going_away", "")) == []
    assert table.lose(1) == []


def test_ping_is_answered_and_the_rest_handed_on() -> None:
    table = Table()
    table.up(1)
    assert table.receive(1, Ping(7)) == [SendMessage(node(1), Lane.CONTROL, Pong(7))]
    assert table.receive(1, Pong(8)) == [Received(node(1), Pong(8))]
    assert table.receive(1, call(1), lane=Lane.RPC) == [Received(node(1), call(1))]
    assert table.receive(1, Disconnect("going_away", "")) == []


def test_a_frame_of_another_realm_closes_that_connection_only() -> None:
    table = Table()
    table.up(1)
    table.up(2)
    outcomes = table.receive(1, call(1, "io.other"))
    assert story(outcomes) == ["ClosePeer", "PeerDown"]
    assert closes(outcomes) == [(node(1), "wrong_realm")]
    assert table.peers.is_up(node(2))


def test_messages_wait_for_the_connection_and_go_out_after_peer_up() -> None:
    table = Table()
    table.learn(1)
    (dial,) = dials(table.peers.send(send(1, 1), 0.0))
    table.peers.send(send(1, 2), 0.1)
    table.connect(1, 0.2, dial=dial.dial)
    assert table.peers.send(send(1, 3), 0.3) == []
    outcomes = table.receive(1, hello(1), 0.4)
    assert story(outcomes) == ["PeerUp", "SendMessage", "SendMessage", "SendMessage"]
    assert sent(outcomes) == [call(1), call(2), call(3)]
    assert table.peers.send(send(1, 4), 0.5) == [SendMessage(node(1), Lane.RPC, call(4))]


def test_the_peers_own_connection_serves_the_messages_that_wait_for_ours() -> None:
    table = Table()
    table.learn(1)
    (dial,) = dials(table.peers.send(send(1, 1), 0.0))
    assert sent(table.up(1, 0.1)) == [call(1)]
    assert table.connect(1, 0.2, dial=dial.dial, fresh=False) == []
    assert table.peers.send(send(1, 2), 0.3) == [SendMessage(node(1), Lane.RPC, call(2))]


def test_a_dial_that_fails_ends_in_an_envelope() -> None:
    table = Table()
    table.learn(1)
    (dial,) = dials(table.peers.send(send(1, 1), 0.0))
    (search,) = table.peers.dial_failed(DialFailed(dial.dial, UNREACHABLE, "no answer"), 3.0)
    assert isinstance(search, FindPeer)
    assert table.peers.found(PeerFound(search.token, node(1), peer_info(1)), 4.0) == [Route(peer_info(1), call(1), 1)]


def test_a_connection_lost_before_hello_fails_over_with_all_that_wait() -> None:
    table = Table()
    table.learn(1)
    (dial,) = dials(table.peers.send(send(1, 1), 0.0))
    table.connect(1, 0.2, dial=dial.dial)
    table.peers.send(send(1, 2), 0.3)
    (search,) = table.lose(1, 0.4)
    assert isinstance(search, FindPeer)
    assert table.peers.found(PeerFound(search.token, node(1), None), 1.0) == [
        Route(peer_info(1), call(1), 1),
        Route(peer_info(1), call(2), 2),
    ]


def test_messages_for_an_inbound_connection_that_never_greets_are_dialed_for() -> None:
    table = Table()
    table.learn(1)
    table.connect(1)
    assert table.peers.send(send(1, 1), 0.1) == []
    assert closes(table.peers.tick(5.0)) == [(node(1), "unexpected")]
    assert table.peers.send(send(1, 2), 5.0) == []
    (dial,) = table.lose(1, 5.1)
    assert isinstance(dial, Dial)
    assert sent(table.up(1, 5.2, dial=dial.dial)) == [call(1), call(2)]


def test_a_replaced_connection_goes_down_before_the_new_one_comes_up() -> None:
    table = Table()
    table.up(1)
    first = table.connect(1, 1.0)
    assert story(first) == ["PeerDown", "SendMessage"]
    assert first[0] == PeerDown(node(1), "duplicate", "replaced by a new connection")
    assert table.peers.send(send(1, 1), 1.1) == []
    second = table.receive(1, hello(1), 1.2)
    assert story(second) == ["PeerUp", "SendMessage"]


def test_messages_survive_when_the_connection_they_wait_for_is_replaced() -> None:
    table = Table()
    table.connect(1)
    table.peers.send(send(1, 1), 0.1)
    table.connect(1, 0.2)
    table.peers.send(send(1, 2), 0.3)
    assert sent(table.receive(1, hello(1), 0.4)) == [call(1), call(2)]


def test_a_dial_that_led_to_the_connection_that_is_there_changes_nothing() -> None:
    table = Table()
    table.up(1)
    assert table.connect(1, 1.0, dial=1234, fresh=False) == []
    assert table.peers.is_up(node(1))


def test_a_blocked_lane_queues_in_order_and_the_others_go_on() -> None:
    table = Table()
    table.up(1)
    assert table.peers.lane(SendBlocked(node(1), Lane.RPC)) == []
    assert [table.peers.send(send(1, number), 1.0) for number in (1, 2, 3)] == [[], [], []]
    assert sent(table.peers.send(send(1, 4, lane=Lane.PUBSUB), 1.0)) == [call(4)]
    assert sent(table.peers.lane(SendReady(node(1), Lane.RPC))) == [call(1), call(2), call(3)]
    assert sent(table.peers.send(send(1, 5), 1.0)) == [call(5)]


def test_the_queue_of_a_blocked_lane_is_bounded() -> None:
    table = Table()
    table.up(1)
    table.peers.lane(SendBlocked(node(1), Lane.RPC))
    for number in range(1, 1025):
        assert table.peers.send(send(1, number), 1.0) == []
    assert table.peers.send(send(1, 1025), 1.0) == [
        SendFailed(1025, node(1), "busy", "too many messages wait for this peer")
    ]
    assert len(sent(table.peers.lane(SendReady(node(1), Lane.RPC)))) == 1024


def test_what_a_blocked_lane_holds_is_answered_when_the_peer_is_lost() -> None:
    table = Table()
    table.up(1)
    table.peers.lane(SendBlocked(node(1), Lane.RPC))
    table.peers.send(send(1, 1), 1.0)
    # First what was never sent, so that its asker does not take it for lost on the way.
    assert table.lose(1, 2.0) == [
        SendFailed(1, node(1), "disconnected", "gone"),
        PeerDown(node(1), "idle", "gone"),
    ]


def test_a_lane_blocked_before_hello_stays_blocked_after_it() -> None:
    table = Table()
    table.connect(1)
    table.peers.send(send(1, 1), 0.1)
    table.peers.lane(SendBlocked(node(1), Lane.RPC))
    assert sent(table.receive(1, hello(1), 0.2)) == []
    assert sent(table.peers.lane(SendReady(node(1), Lane.RPC))) == [call(1)]


def test_suspicion_is_passed_on_for_peers_that_are_up() -> None:
    table = Table()
    assert table.peers.suspect(PeerSuspect(node(1), True)) == []
    table.connect(1)
    assert table.peers.suspect(PeerSuspect(node(1), True)) == []
    table.receive(1, hello(1))
    for suspect in (True, False):
        assert table.peers.suspect(PeerSuspect(node(1), suspect)) == [PeerSuspect(node(1), suspect)]
        assert [peer.suspect for peer in table.peers.status()] == [suspect]


def test_an_idle_connection_is_closed_and_the_next_message_dials_anew() -> None:
    table = Table()
    table.up(1, 0.0)
    assert table.peers.tick(299.9) == []
    assert table.peers.tick(300.0) == [ClosePeer(node(1), "idle", "not used"), PeerDown(node(1), "idle", "not used")]
    assert table.peers.send(send(1, 1), 300.0) == []
    (dial,) = table.lose(1, 300.1)
    assert isinstance(dial, Dial)


def test_a_used_or_held_connection_is_not_idle() -> None:
    table = Table()
    table.up(1, 0.0)
    table.up(2, 0.0)
    table.peers.hold(Hold(node(1)), 0.0)
    table.receive(2, Pong(1), 200.0)
    assert table.peers.tick(300.0) == []
    assert closes(table.peers.tick(500.0)) == [(node(2), "idle")]
    table.peers.hold(Release(node(1)), 600.0)
    assert closes(table.peers.tick(900.0)) == [(node(1), "idle")]


def test_the_least_recently_used_peer_makes_room_once() -> None:
    table = Table(PoolSettings(max_size=2))
    table.up(1, 0.0)
    table.up(2, 1.0)
    table.peers.send(send(1, 1), 2.0)
    assert closes(table.connect(3, 3.0)) == [(node(2), "evicted")]
    assert table.peers.pool_stats() == PoolStatistics(size=2, hits=1, misses=0, hit_rate=1.0)
    assert closes(table.connect(4, 4.0)) == [(node(1), "evicted")]


def test_the_pool_counts_hits_and_misses() -> None:
    table = Table()
    table.learn(1)
    table.peers.send(send(1, 1), 0.0)
    table.up(1, 0.1)
    table.peers.send(send(1, 2), 0.2)
    table.peers.send(send(1, 3), 0.3)
    table.peers.send(send(1, 4), 0.4)
    assert table.peers.pool_stats() == PoolStatistics(size=1, hits=3, misses=1, hit_rate=0.75)


def test_an_address_is_up_when_the_peer_is() -> None:
    table = Table()
    number, dial = table.peers.dial_address(address(1), None, 2.5)
    assert dial == Dial(number, (address(1),), None, 2.5, host=address(1).host)
    assert story(table.connect(1, 0.1, dial=number)) == ["SendMessage"]
    outcomes = table.receive(1, hello(1), 0.2)
    assert outcomes == [PeerUp(node(1), hello(1), peer_info(1), False, address(1)), AddressUp(number, node(1))]


def test_an_address_where_a_connected_peer_answers_is_up_at_once() -> None:
    table = Table()
    table.up(1)
    number, _ = table.peers.dial_address(address(1), None, 2.5)
    assert table.connect(1, 1.0, dial=number, fresh=False) == [AddressUp(number, node(1))]


def test_an_address_whose_peer_is_just_greeting_waits_for_it() -> None:
    table = Table()
    number, _ = table.peers.dial_address(address(1), None, 2.5)
    table.connect(1)
    assert table.connect(1, 0.1, dial=number, fresh=False) == []
    assert AddressUp(number, node(1)) in table.receive(1, hello(1), 0.2)


def test_an_address_that_nobody_answers() -> None:
    table = Table()
    number, _ = table.peers.dial_address(address(1), None, 2.5)
    assert table.peers.dial_failed(DialFailed(number, UNREACHABLE, "no answer"), 2.5) == [
        AddressFailed(number, UNREACHABLE, "no answer")
    ]
    assert table.peers.dial_failed(DialFailed(number, UNREACHABLE, "no answer"), 2.5) == []


def test_an_address_whose_peer_is_refused() -> None:
    table = Table()
    number, _ = table.peers.dial_address(address(1), None, 2.5)
    table.connect(1, 0.1, dial=number)
    table.receive(1, Ping(1), 0.2)
    assert table.lose(1, 0.3, "unexpected", "Ping before hello") == [
        AddressFailed(number, UNREACHABLE, "unexpected: Ping before hello")
    ]


def test_the_nodes_own_address() -> None:
    table = Table()
    number, _ = table.peers.dial_address(address(0), None, 2.5)
    assert table.peers.connected(PeerConnected(node(0), address(0), number), 0.1) == [
        ClosePeer(node(0), "duplicate", "this is the node itself"),
        AddressFailed(number, UNREACHABLE, "the address is this node's own"),
    ]
    assert table.peers.connected_nodes() == []


def test_a_message_to_the_node_itself_is_refused_without_a_dial() -> None:
    table = Table()
    assert table.peers.send(send(0, 1), 0.0) == [SendFailed(1, node(0), "disconnected", "the peer is this node itself")]


def test_events_of_unknown_peers_are_ignored() -> None:
    table = Table()
    assert table.lose(1) == []
    assert table.receive(1, hello(1)) == []
    assert table.peers.lane(SendReady(node(1), Lane.RPC)) == []
    assert table.peers.refuse(node(1), "bad_message", "?") == []


def test_refused_by_a_service() -> None:
    table = Table()
    table.up(1)
    outcomes = table.peers.refuse(node(1), "bad_message", "nonsense")
    assert story(outcomes) == ["ClosePeer", "PeerDown"]
    assert table.peers.refuse(node(1), "bad_message", "nonsense") == []
    assert table.peers.send(dht_send(1, 1), 0.1) == []
    table.connect(1, 0.2)
    assert sent(table.receive(1, hello(1), 0.3)) == [Ping(1)]


def test_pongs_wait_for_a_blocked_lane_and_are_lost_beyond_the_bound() -> None:
    table = Table(PoolSettings(pending_messages=2))
    table.up(1)
    table.peers.lane(SendBlocked(node(1), Lane.CONTROL))
    assert [table.receive(1, Ping(number), 1.0) for number in (1, 2, 3)] == [[], [], []]
    assert sent(table.peers.lane(SendReady(node(1), Lane.CONTROL))) == [Pong(1), Pong(2)]


def test_the_bytes_that_wait_for_a_blocked_lane_are_bounded() -> None:
    table = Table(PoolSettings(pending_bytes=1000))
    table.up(1)
    table.peers.lane(SendBlocked(node(1), Lane.RPC))
    big = Reply(REALM, bytes(16), bytes(900), "", "")
    assert table.peers.send(send(1, 1, message=big), 1.0) == []
    assert story(table.peers.send(send(1, 2, message=big), 1.0)) == ["SendFailed"]
    assert sent(table.peers.send(send(1, 3, lane=Lane.PUBSUB, message=big), 1.0)) == [big]


def test_a_connection_that_breaks_the_protocol_before_hello_is_traced_once_a_minute() -> None:
    table = Table()
    table.connect(1)
    (trace,) = [each for each in table.lose(1, 1.0, "bad_frame", "no") if isinstance(each, Trace)]
    assert (trace.name, trace.fields["code"], trace.limit) == ("connection.failed", "bad_frame", f"refused {node(1)}")
    table.connect(1)
    assert table.lose(1, 1.0, "going_away", "bye") == []
