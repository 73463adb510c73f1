"""Single messages by hand."""

from __future__ import annotations

from itertools import count

import pytest

from macula.core.address import Address
from macula.core.commands import Reach, RequestRaw, SendRaw
from macula.core.effects import Completed, Dial
from macula.core.events import UNREACHABLE
from macula.core.lanes import Lane
from macula.core.peer_record import RelayPlace
from macula.core.requests import Hold, PeerDown, Punch, ReachVia, Received, Release, SendFailed, SendTo
from macula.core.service import Action
from macula.engine.connector import MAX_OPEN, Connector
from macula.engine.notices import AddressFailed, AddressUp
from macula.errors import (
    ArgumentError,
    Busy,
    Disconnected,
    MaxHopsExceeded,
    MeshError,
    PeerUnreachable,
    Timeout,
)
from macula.identity import NodeId
from macula.wire.messages import FindNode, FindNodeReply, Message, Ping, Pong, PublishAck, Reply, RouteError, RpcRoute

from .playbook import REALM, Table, address, call, node


class Commands:
    """A connector whose tokens are 1 and up, with a connection table."""

    def __init__(self) -> None:
        self.table = Table()
        self.connector = Connector(count(1))

    def request(
        self, id_: int, message: Message, target: NodeId | Address | None = None, timeout: float = 2.0
    ) -> list[Action]:
        return self.connector.start(id_, RequestRaw(target or node(1), message, timeout), self.table.peers, 0.0)

    def send(self, id_: int, message: Message, target: NodeId | Address | None = None) -> list[Action]:
        return self.connector.start(id_, SendRaw(target or node(1), message, 2.0), self.table.peers, 0.0)

    def notice(self, notice: AddressUp | AddressFailed) -> list[Action]:
        return self.connector.notice(notice, self.table.peers)

    def reach(self, id_: int, reach: Reach) -> list[Action]:
        return self.connector.start(id_, SendRaw(node(1), Ping(7), 3.0, reach), self.table.peers, 0.0)

    def tick(self, now: float) -> list[Action]:
        return self.connector.tick(now, self.table.peers)

    def answer(self, message: Message, sender: int = 1) -> list[Action] | None:
        return self.connector.answer(Received(node(sender), message))


def error_of(actions: list[Action] | None) -> MeshError | None:
    assert actions is not None
    (completed,) = [action for action in actions if isinstance(action, Completed)]
    return completed.error


def test_a_request_is_completed_by_its_answer() -> None:
    commands = Commands()
    assert commands.request(5, Ping(7)) == [Hold(node(1)), SendTo(node(1), Lane.CONTROL, Ping(7), 1, sought=True)]
    assert commands.answer(Pong(8)) is None
    assert commands.answer(Pong(7), sender=2) is None
    assert commands.answer(Pong(7)) == [Completed(5, Pong(7)), Release(node(1))]
    assert commands.answer(Pong(7)) is None
    assert commands.connector.next_deadline() is None


def test_only_the_right_kind_of_message_is_an_answer() -> None:
    commands = Commands()
    commands.request(5, FindNode(REALM, 7, bytes(32)))
    assert commands.answer(FindNode(REALM, 7, bytes(32))) is None
    assert commands.answer(Pong(7)) is None
    reply = FindNodeReply(7, ())
    assert commands.answer(reply) == [Completed(5, reply), Release(node(1))]


def test_a_call_is_answered_by_its_id() -> None:
    commands = Commands()
    assert commands.request(5, call(9))[1] == SendTo(node(1), Lane.RPC, call(9), 1, sought=True)
    assert commands.answer(call(9)) is None
    reply = Reply(REALM, call(9).call_id, b"\x01", "", "")
    assert commands.answer(reply) == [Completed(5, reply), Release(node(1))]


def test_an_envelope_is_answered_by_its_route_error() -> None:
    commands = Commands()
    envelope = RpcRoute(REALM, bytes(16), node(0), node(9), 0, 10, (node(0),), b"sealed")
    commands.request(5, envelope)
    error = RouteError(REALM, bytes(16), "max_hops_exceeded", ())
    assert commands.answer(error) == [Completed(5, error), Release(node(1))]


def test_a_one_way_message_is_completed_when_its_peer_is_up() -> None:
    commands = Commands()
    assert commands.send(5, Ping(7)) == [SendTo(node(1), Lane.CONTROL, Ping(7), 1, sought=True)]
    assert commands.connector.flush(commands.table.peers) == []
    commands.table.up(1)
    assert commands.connector.flush(commands.table.peers) == [Completed(5)]
    assert commands.connector.flush(commands.table.peers) == []


def test_a_pub_sub_message_travels_on_its_lane() -> None:
    ack = PublishAck(REALM, "io.test.t", 1, 1, "accepted")
    assert Commands().send(5, ack) == [SendTo(node(1), Lane.PUBSUB, ack, 1, sought=True)]


def test_an_address_is_dialed_and_who_answers_is_asked() -> None:
    commands = Commands()
    (dial,) = commands.request(5, Ping(7), address(1))
    assert isinstance(dial, Dial)
    assert (dial.addresses, dial.expected, dial.timeout) == ((address(1),), None, 2.0)
    assert commands.notice(AddressUp(dial.dial, node(1))) == [
        Hold(node(1)),
        SendTo(node(1), Lane.CONTROL, Ping(7), 1, sought=True),
    ]
    assert error_of(commands.answer(Pong(7))) is None


def test_an_address_that_nobody_answers() -> None:
    commands = Commands()
    (dial,) = commands.request(5, Ping(7), address(1))
    assert isinstance(dial, Dial)
    error = error_of(commands.notice(AddressFailed(dial.dial, UNREACHABLE, "no answer in 2 s")))
    assert isinstance(error, PeerUnreachable)
    assert error.attempts == ("no answer in 2 s",)
    assert "10.0.0.1:9443" in str(error)


def test_after_its_timeout_a_request_ends_and_late_news_is_ignored() -> None:
    commands = Commands()
    commands.table.up(1)
    commands.request(5, Ping(7))
    assert commands.connector.next_deadline() == 2.0
    assert commands.tick(1.9) == []
    done = commands.tick(2.0)
    assert isinstance(error_of(done), Timeout)
    assert done[1] == Release(node(1))
    assert commands.answer(Pong(7)) is None
    assert commands.connector.send_failed(SendFailed(1, node(1), "disconnected", "")) == []


def test_without_a_connection_in_time_the_peer_is_unreachable() -> None:
    commands = Commands()
    commands.request(5, Ping(7))
    error = error_of(commands.tick(2.0))
    assert isinstance(error, PeerUnreachable)
    assert error.attempts == ("no connection in 2 s",)


def test_an_address_that_comes_up_too_late_is_ignored() -> None:
    commands = Commands()
    (dial,) = commands.request(5, Ping(7), address(1))
    assert isinstance(dial, Dial)
    assert isinstance(error_of(commands.tick(2.0)), PeerUnreachable)
    assert commands.notice(AddressUp(dial.dial, node(1))) == []


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("disconnected", PeerUnreachable),
        ("no_route", PeerUnreachable),
        ("busy", Busy),
        ("max_hops_exceeded", MaxHopsExceeded),
    ],
)
def test_what_cannot_be_sent_ends_with_the_reason(code: str, error: type[MeshError]) -> None:
    commands = Commands()
    commands.request(5, Ping(7))
    ended = error_of(commands.connector.send_failed(SendFailed(1, node(1), code, "because")))
    assert type(ended) is error
    assert "because" in str(ended)


def test_a_lost_peer_ends_its_requests_only() -> None:
    commands = Commands()
    commands.request(5, Ping(7))
    commands.request(6, Ping(8))
    commands.request(7, Ping(7), node(2))
    done = commands.connector.peer_down(PeerDown(node(1), "no_common_realm", "serves io.b"))
    assert [action.id for action in done if isinstance(action, Completed)] == [5, 6]
    for action in done:
        if isinstance(action, Completed):
            assert isinstance(action.error, Disconnected)
            assert action.error.reason == "no_common_realm: serves io.b"
    assert error_of(commands.answer(Pong(7), sender=2)) is None


def test_a_request_without_an_answer_is_an_argument_error() -> None:
    commands = Commands()
    with pytest.raises(ArgumentError, match="Pong has no answer"):
        commands.request(5, Pong(7))
    assert commands.connector.next_deadline() is None


def test_a_message_that_breaks_a_limit_is_an_argument_error_naming_the_field() -> None:
    commands = Commands()
    with pytest.raises(ArgumentError, match="request"):
        commands.send(5, Ping(2**32))
    assert commands.connector.next_deadline() is None


def test_the_same_number_twice_would_be_ambiguous() -> None:
    commands = Commands()
    commands.request(5, Ping(7))
    assert isinstance(error_of(commands.request(6, Ping(7))), Busy)
    assert commands.answer(Pong(7)) == [Completed(5, Pong(7)), Release(node(1))]


def test_at_most_1024_at_a_time() -> None:
    commands = Commands()
    for number in range(MAX_OPEN):
        commands.request(number, Ping(number))
    with pytest.raises(Busy):
        commands.request(MAX_OPEN, Ping(MAX_OPEN))
    commands.answer(Pong(0))
    commands.request(MAX_OPEN, Ping(MAX_OPEN))


def test_a_message_goes_to_the_endpoint_then_through_the_relay_that_its_sender_names() -> None:
    commands = Commands()
    (first,) = commands.reach(5, Reach(address(1), address(9)))
    assert isinstance(first, Dial) and (first.addresses, first.expected, first.timeout) == ((address(1),), node(1), 1.0)
    (second,) = commands.notice(AddressFailed(first.dial, UNREACHABLE, "no answer"))
    assert isinstance(second, Dial) and (second.addresses, second.expected) == ((address(9),), None)
    (send,) = commands.notice(AddressUp(second.dial, node(9)))
    assert isinstance(send, SendTo) and (send.peer, send.message) == (node(1), Ping(7))
    (via,) = commands.table.peers.send(send, 0.0)
    assert isinstance(via, ReachVia) and via.relays == (RelayPlace(node(9), address(9)),)


def test_an_endpoint_that_answers_needs_no_relay() -> None:
    commands = Commands()
    (dial,) = commands.reach(5, Reach(address(1), address(9)))
    assert isinstance(dial, Dial)
    commands.table.up(1, dial=dial.dial)
    assert commands.notice(AddressUp(dial.dial, node(1))) == [SendTo(node(1), Lane.CONTROL, Ping(7), 1, sought=True)]


def test_a_relay_that_does_not_answer_leaves_the_peers_own_record() -> None:
    commands = Commands()
    (dial,) = commands.reach(5, Reach(relay=address(9)))
    assert isinstance(dial, Dial)
    (send,) = commands.notice(AddressFailed(dial.dial, UNREACHABLE, "no answer"))
    assert isinstance(send, SendTo)


def test_a_connected_peer_is_sent_to_at_once() -> None:
    commands = Commands()
    commands.table.up(1)
    assert commands.reach(5, Reach(address(1), address(9))) == [SendTo(node(1), Lane.CONTROL, Ping(7), 1, sought=True)]


def test_a_message_may_leave_its_connection_with_the_relay() -> None:
    commands = Commands()
    spared, dial = commands.reach(5, Reach(relay=address(9), punch=False))
    assert spared == Punch(node(1), False) and isinstance(dial, Dial)


def test_it_has_no_say_over_a_connection_that_others_use_or_that_is_there() -> None:
    commands = Commands()
    commands.table.peers.hold(Hold(node(1)), 0.0)
    (dial,) = commands.reach(5, Reach(relay=address(9), punch=False))
    assert isinstance(dial, Dial)
    commands = Commands()
    commands.table.up(1)
    assert commands.reach(5, Reach(punch=False)) == [SendTo(node(1), Lane.CONTROL, Ping(7), 1, sought=True)]


def test_a_command_that_timed_out_asks_nobody_any_more() -> None:
    commands = Commands()
    (dial,) = commands.reach(5, Reach(address(1), address(9)))
    assert isinstance(dial, Dial)
    assert isinstance(error_of(commands.tick(3.0)), PeerUnreachable)
    assert commands.notice(AddressFailed(dial.dial, UNREACHABLE, "no answer")) == []
