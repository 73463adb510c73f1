"""The engine itself: what it routes, what it takes while it stops, and who is told what."""

from __future__ import annotations

import random
from typing import get_args

import pytest

from macula.core import requests as req
from macula.core.commands import (
    Advertise,
    Command,
    RequestRaw,
    SendRaw,
    Shutdown,
    Status,
    Subscribe,
)
from macula.core.deliveries import CallDelivery
from macula.core.effects import ClosePeer, Completed, Deliver, Dial, Effect, SendMessage, Trace
from macula.core.events import (
    CommandGiven,
    Consumed,
    Event,
    HandlerDone,
    MessageReceived,
    PathMoved,
    PeerConnected,
    PeerLost,
    PeerSuspect,
    Tick,
)
from macula.core.lanes import Lane
from macula.core.mode import Mode
from macula.core.results import NodeStatus, PoolStatistics
from macula.engine import Bootstrap, Engine, EngineSettings
from macula.engine.notices import Notice
from macula.errors import ArgumentError, Disconnected, MeshError, NodeClosed
from macula.wire import encode_value
from macula.wire.messages import Call, Hello, Message, Ping, Pong, Reply

from .playbook import REALM, WALL, address, hello, identity, node, peer_info


class One:
    """One engine, node 0, and what it does at each event."""

    def __init__(self, *bootstraps: Bootstrap) -> None:
        settings = EngineSettings(Mode.EDGE, "node-0", REALM, bootstraps=bootstraps)
        self.engine = Engine(identity(0), settings, random.Random(1))
        self.now = 0.0
        self.started = self.engine.start((address(0),), 0.0, WALL)

    def handle(self, event: Event, after: float = 0.01) -> list[Effect]:
        self.now += after
        return self.engine.handle(event, self.now, WALL + self.now)

    def give(self, id_: int, command: Command) -> list[Effect]:
        return self.handle(CommandGiven(id_, command))

    def receive(self, index: int, message: Message, lane: Lane = Lane.CONTROL) -> list[Effect]:
        return self.handle(MessageReceived(node(index), lane, message, 100))

    def up(self, index: int) -> None:
        self.handle(PeerConnected(node(index), address(index), None))
        self.receive(index, hello(index))

    def status(self) -> NodeStatus:
        status = result_of(self.give(999, Status()), 999)
        assert isinstance(status, NodeStatus)
        return status


def test_each_request_has_one_who_carries_it_out_and_no_effect_has() -> None:
    asked = {*get_args(req.Request), *get_args(req.Answer), *get_args(Notice)}
    told = {
        req.PeerUp,
        req.PeerDown,
        PeerSuspect,
        PathMoved,
        req.SelfChanged,
        req.Draining,
        req.Received,
        req.ClockMoved,
    }
    assert One().engine._routes.keys() == asked | told
    assert not (asked | told) & set(get_args(Effect))


def completed(effects: list[Effect], id_: int) -> Completed:
    (done,) = [effect for effect in effects if isinstance(effect, Completed) and effect.id == id_]
    return done


def result_of(effects: list[Effect], id_: int) -> object:
    done = completed(effects, id_)
    assert done.error is None
    return done.result


def error_of(effects: list[Effect], id_: int) -> MeshError | None:
    return completed(effects, id_).error


def test_start_dials_the_bootstraps_at_once() -> None:
    one = One(Bootstrap(address(1)), Bootstrap(address(2), node(2)))
    dials = [effect for effect in one.started if isinstance(effect, Dial)]
    assert [(dial.addresses, dial.expected, dial.timeout) for dial in dials] == [
        ((address(1),), None, 3.0),
        ((address(2),), node(2), 3.0),
    ]
    assert not one.engine.ready


def test_a_bootstrap_that_does_not_answer_is_dialed_anew() -> None:
    one = One(Bootstrap(address(1)))
    (dial,) = [effect for effect in one.started if isinstance(effect, Dial)]
    one.handle(PeerConnected(node(1), address(1), dial.dial))
    one.receive(1, hello(1))
    assert not [effect for effect in one.handle(PeerSuspect(node(1), True)) if isinstance(effect, Dial)]
    again = [effect for effect in one.handle(Tick(), after=2.0) if isinstance(effect, Dial)]
    assert [(dial.addresses, dial.expected) for dial in again] == [((address(1),), node(1))]


def test_a_node_without_bootstraps_is_ready_at_once() -> None:
    assert One().engine.ready


def test_extra_ticks_are_harmless_and_the_next_one_is_never_in_the_past() -> None:
    one = One()
    for _ in range(100):
        at = one.engine.next_deadline()
        assert at is not None
        one.handle(Tick(), max(at - one.now, 0.0))
        assert one.handle(Tick(), 0.0) == []
        following = one.engine.next_deadline()
        assert following is not None
        assert following > one.now
    assert one.now > 600.0


def test_its_own_record_is_renewed_and_shown_to_new_peers() -> None:
    one = One()
    first = one.handle(PeerConnected(node(1), address(1), None))
    one.handle(Tick(), 150.0)
    second = one.handle(PeerConnected(node(2), address(2), None))
    greetings = [e.message for e in [*first, *second] if isinstance(e, SendMessage) and isinstance(e.message, Hello)]
    assert len({greeting.record for greeting in greetings}) == 2


def test_connections_are_traced_with_the_telemetry_names() -> None:
    one = One()
    one.handle(PeerConnected(node(1), address(1), None))
    up = [e for e in one.receive(1, hello(1)) if isinstance(e, Trace) and e.name == "connection.up"]
    assert [dict(trace.fields) for trace in up] == [
        {"peer": node(1), "name": "node-1", "mode": "edge", "inbound": True, "path": "direct"}
    ]
    down = [e for e in one.handle(PeerLost(node(1), "idle", "gone")) if isinstance(e, Trace)]
    assert ("connection.down", {"peer": node(1), "code": "idle", "reason": "gone"}) in [
        (trace.name, dict(trace.fields)) for trace in down
    ]
    limits = [trace.limit for trace in (*up, *down) if trace.name.startswith("connection.")]
    assert limits == [f"connection.up {node(1)}", f"connection.down {node(1)}"]


def test_a_call_is_delivered_and_its_result_goes_back_to_the_caller() -> None:
    one = One()
    one.up(1)
    one.give(1, Advertise("io.test.add", False))
    args = encode_value("args", [1, 2])
    call = Call(REALM, bytes(16), "io.test.add", args, 1000)
    (deliver,) = [e for e in one.receive(1, call, Lane.RPC) if isinstance(e, Deliver)]
    assert isinstance(deliver.content, CallDelivery)
    assert (deliver.content.procedure, deliver.content.args, deliver.content.caller) == ("io.test.add", args, node(1))
    done = one.handle(HandlerDone(deliver.delivery, encode_value("result", 3)))
    reply = Reply(REALM, bytes(16), encode_value("result", 3), "", "")
    assert SendMessage(node(1), Lane.RPC, reply) in done


def test_a_request_by_hand_is_answered() -> None:
    one = One()
    one.up(1)
    assert SendMessage(node(1), Lane.CONTROL, Ping(7)) in one.give(5, RequestRaw(node(1), Ping(7), 2.0))
    assert result_of(one.receive(1, Pong(7)), 5) == Pong(7)


def test_a_request_by_hand_ends_with_its_peer() -> None:
    one = One()
    one.up(1)
    one.give(5, RequestRaw(node(1), Ping(7), 2.0))
    assert isinstance(error_of(one.handle(PeerLost(node(1), "idle", "gone")), 5), Disconnected)


def test_a_message_by_hand_is_done_when_it_was_handed_over() -> None:
    one = One()
    one.up(1)
    assert result_of(one.give(5, SendRaw(node(1), Ping(7), 2.0)), 5) is None


@pytest.mark.parametrize(
    "command",
    [
        Advertise("no spaces allowed", False),
        Subscribe("**", 10, False),
        RequestRaw(node(1), Pong(1), 1.0),
        SendRaw(node(1), Ping(-1), 1.0),
    ],
)
def test_a_wrong_command_is_completed_with_an_error_that_names_the_argument(command: Command) -> None:
    one = One()
    assert isinstance(error_of(one.give(5, command), 5), ArgumentError)
    assert one.engine.ready


def test_status_is_a_snapshot() -> None:
    one = One()
    one.up(1)
    one.up(2)
    one.give(1, Advertise("io.test.add", False))
    one.give(2, Subscribe("io.test.*", 10, False))
    status = one.status()
    assert [peer.name for peer in status.peers] == ["node-1", "node-2"]
    assert (status.procedures, status.subscriptions) == (("io.test.add",), ("io.test.*",))
    assert status.dht.nodes == 2
    assert isinstance(status.pool, PoolStatistics)
    assert status.pool.size == 2


def test_a_node_without_work_stops_at_once() -> None:
    one = One()
    done = one.give(1, Shutdown(10.0))
    assert result_of(done, 1) is None
    assert not one.engine.ready


def test_stopping_waits_for_running_calls_and_then_closes_everything() -> None:
    one = One()
    one.up(1)
    one.give(1, Advertise("io.test.add", False))
    call = Call(REALM, bytes(16), "io.test.add", encode_value("args", 1), 60_000)
    (deliver,) = [e for e in one.receive(1, call, Lane.RPC) if isinstance(e, Deliver)]
    first = one.give(2, Shutdown(10.0))
    assert not [e for e in first if isinstance(e, Completed | ClosePeer)]
    assert isinstance(error_of(one.give(3, Advertise("io.test.more", False)), 3), NodeClosed)
    refused = one.receive(1, Call(REALM, bytes([1]) * 16, "io.test.add", b"\x01", 1000), Lane.RPC)
    (reply,) = [e.message for e in refused if isinstance(e, SendMessage)]
    assert isinstance(reply, Reply)
    assert reply.error in ("busy", "not_found")
    done = one.handle(HandlerDone(deliver.delivery, b"\x02"))
    late: list[Effect] = []
    while not any(isinstance(e, Completed) and e.id == 2 for e in [*done, *late]):
        at = one.engine.next_deadline()
        assert at is not None
        late += one.handle(Tick(), max(at - one.now, 0.0))
    assert one.now < 10.0
    everything = [*done, *late]
    replies = [e.message for e in everything if isinstance(e, SendMessage) and isinstance(e.message, Reply)]
    assert [reply.result for reply in replies] == [b"\x02"]
    assert [(e.peer, e.code) for e in everything if isinstance(e, ClosePeer)] == [(node(1), "going_away")]


def test_stopping_ends_at_its_deadline() -> None:
    one = One()
    one.up(1)
    one.give(1, Advertise("io.test.add", False))
    call = Call(REALM, bytes(16), "io.test.add", encode_value("args", 1), 60_000)
    one.receive(1, call, Lane.RPC)
    one.give(2, Shutdown(3.0))
    started = one.now
    assert not [e for e in one.handle(Tick(), 2.9) if isinstance(e, Completed) and e.id == 2]
    done = one.handle(Tick(), 0.1)
    assert result_of(done, 2) is None
    assert one.now - started == pytest.approx(3.0)
    assert [e.peer for e in done if isinstance(e, ClosePeer)] == [node(1)]


def test_events_that_fit_nothing_are_ignored() -> None:
    one = One()
    for delivery in range(10):
        assert one.handle(Consumed(delivery)) == []
    assert one.receive(1, Ping(1)) == []
    assert one.handle(PeerLost(node(1), "idle", "")) == []
    assert peer_info(1).node not in [peer.node_id for peer in one.status().peers]
