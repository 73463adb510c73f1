from __future__ import annotations

import random
from typing import Any

import pytest

from macula.core.address import Address
from macula.core.commands import Advertise
from macula.core.deliveries import CallDelivery
from macula.core.effects import CancelDelivery, Deliver, PauseReading, Trace
from macula.core.events import HandlerDone
from macula.core.lanes import Lane
from macula.core.peer_record import sign_peer
from macula.core.requests import Draining, Hold, PeerDown, PeerUp, RefusePeer, Release, SendFailed, SendTo
from macula.identity import Identity, NodeId
from macula.wire import encode
from macula.wire.messages import Call, Cancel, Hello, Reply

from .playbook import REALM, REPLY_TOKEN, WALL, Playbook, delivered, incoming, node, one, sent_reply

ALICE, BOB, CAROL, DAVE = node(1), node(2), node(3), node(4)


def serving(**settings: Any) -> Playbook:
    book = Playbook(**settings)
    book.give(Advertise("add", idempotent=False))
    return book


def error_of(actions: list[Any]) -> str:
    return sent_reply(actions)[1].error


def up(who: NodeId, host: str) -> PeerUp:
    """A caller that is reached at a host."""
    words: dict[str, Any] = {"name": "n", "mode": "edge", "realms": (REALM,), "wall": WALL, "ttl": 300}
    info = sign_peer(Identity.from_random(random.Random(1)), addresses=(), reachable=False, **words)
    return PeerUp(who, Hello(2, 2, (), info.realms, info.record.encoded), info, True, Address(host, 9443))


def cancel(call: Call) -> Cancel:
    return Cancel(REALM, call.call_id)


def test_a_call_is_delivered_and_its_result_returned() -> None:
    book = serving()
    book.now = 1.0
    actions = book.receive(ALICE, incoming(1))
    delivery, _ = delivered(actions)
    content = CallDelivery("add", b"args", ALICE, REALM, 6.0)
    assert actions == [Hold(ALICE), Deliver(delivery, content)]
    assert not book.rpc.idle and book.rpc.next_deadline() == 6.0
    book.now = 1.5
    assert book.feed(HandlerDone(delivery, b"42")) == [
        SendTo(ALICE, Lane.RPC, Reply(REALM, incoming(1).call_id, b"42", "", ""), REPLY_TOKEN),
        Release(ALICE),
    ]
    assert book.rpc.idle and book.rpc.next_deadline() is None
    assert book.traces[-1] == Trace(
        "call.handled",
        {"procedure": "add", "call": incoming(1).call_id.hex(), "peer": ALICE, "streams": False, "code": "ok"},
        measurements={"duration": 500.0},
    )


def test_a_caller_is_held_from_its_first_call_to_its_last_answer() -> None:
    book = serving()
    first, second = book.receive(ALICE, incoming(1)), book.receive(ALICE, incoming(2))
    assert [Hold(ALICE) in actions for actions in (first, second)] == [True, False]
    ended = [book.feed(HandlerDone(delivered(actions)[0], b"42")) for actions in (first, second)]
    assert [Release(ALICE) in actions for actions in ended] == [False, True]
    assert Hold(ALICE) in book.receive(ALICE, incoming(3))


def test_an_unknown_procedure_or_realm_is_not_found() -> None:
    book = serving()
    assert error_of(book.receive(ALICE, incoming(1, "sub"))) == "not_found"
    foreign = Call("io.other", incoming(2).call_id, "add", b"", 1000)
    assert error_of(book.receive(ALICE, foreign)) == "not_found"


def test_a_call_of_an_envelope_is_answered_that_way() -> None:
    book = serving()
    delivery, _ = delivered(book.receive(ALICE, incoming(1), hops=(BOB,)))
    assert sent_reply(book.feed(HandlerDone(delivery)))[0].routed
    assert sent_reply(book.receive(ALICE, incoming(1), hops=(BOB,)))[0].routed
    assert not sent_reply(book.receive(ALICE, incoming(1)))[0].routed
    assert sent_reply(book.receive(ALICE, incoming(2, "sub"), hops=(BOB,)))[0].routed


@pytest.mark.parametrize(
    ("code", "error", "reason"),
    [
        ("remote", "remote", "why"),
        ("unauthorized", "unauthorized", "why"),
        ("busy", "remote", "busy: why"),
        ("not_found", "remote", "not_found: why"),
    ],
)
def test_a_handler_error_never_says_that_nothing_ran(code: str, error: str, reason: str) -> None:
    book = serving()
    delivery, _ = delivered(book.receive(ALICE, incoming(1)))
    _, answer = sent_reply(book.feed(HandlerDone(delivery, b"ignored", code, "why")))
    assert (answer.result, answer.error, answer.reason) == (b"", error, reason)


def test_any_reason_can_be_encoded() -> None:
    book = serving()
    delivery, _ = delivered(book.receive(ALICE, incoming(1)))
    _, answer = sent_reply(book.feed(HandlerDone(delivery, error="remote", reason="\udc80" + "x" * 5000)))
    assert len(answer.reason) == 1024
    encode(answer)


def test_a_repeat_is_answered_by_the_first() -> None:
    book = serving()
    delivery, _ = delivered(book.receive(ALICE, incoming(1)))
    assert book.receive(ALICE, incoming(1)) == []
    _, first = sent_reply(book.feed(HandlerDone(delivery, b"42")))
    sent, again = sent_reply(book.receive(ALICE, incoming(1)))
    assert (sent.peer, again) == (ALICE, first)
    delivered(book.receive(BOB, incoming(1)))


def test_a_refused_call_may_be_repeated() -> None:
    book = serving(max_handlers=1)
    delivery, _ = delivered(book.receive(ALICE, incoming(1)))
    assert error_of(book.receive(ALICE, incoming(2))) == "busy"
    book.feed(HandlerDone(delivery))
    delivered(book.receive(ALICE, incoming(2)))


def test_the_deadline_stops_the_handler_and_a_late_result_is_ignored() -> None:
    book = serving()
    delivery, _ = delivered(book.receive(ALICE, incoming(1, timeout_ms=1500)))
    assert book.tick_at(1.499) == []
    actions = book.tick_at(1.5)
    assert error_of(actions) == "timeout"
    assert CancelDelivery(delivery) in actions and Release(ALICE) in actions
    assert not book.rpc.idle
    assert book.feed(HandlerDone(delivery, b"late")) == []
    assert book.rpc.idle
    assert error_of(book.receive(ALICE, incoming(1))) == "timeout"


def test_the_timeout_is_capped_and_none_left_is_not_run() -> None:
    book = serving(max_timeout=10.0)
    assert delivered(book.receive(ALICE, incoming(1, timeout_ms=2**32 - 1)))[1].deadline == 10.0
    assert error_of(book.receive(ALICE, incoming(2, timeout_ms=0))) == "timeout"


def test_the_caller_cancels() -> None:
    book = serving()
    delivery, _ = delivered(book.receive(ALICE, incoming(1)))
    assert book.receive(BOB, cancel(incoming(1))) == []
    assert book.receive(ALICE, cancel(incoming(1))) == [CancelDelivery(delivery), Release(ALICE)]
    assert book.receive(ALICE, cancel(incoming(1))) == []
    assert book.feed(HandlerDone(delivery, error="cancelled")) == []
    assert book.rpc.idle
    assert error_of(book.receive(ALICE, incoming(1))) == "cancelled"


def test_a_cancel_that_overtakes_its_call_wins() -> None:
    book = serving()
    assert book.receive(ALICE, cancel(incoming(1)), hops=(BOB,)) == []
    assert error_of(book.receive(ALICE, incoming(1), hops=(BOB,))) == "cancelled"


def test_a_lost_caller_cancels_its_calls_but_not_those_of_envelopes() -> None:
    book = serving()
    direct, _ = delivered(book.receive(ALICE, incoming(1)))
    delivered(book.receive(ALICE, incoming(2), hops=(BOB,)))
    delivered(book.receive(BOB, incoming(3)))
    assert book.feed(PeerDown(ALICE, "idle", "")) == [CancelDelivery(direct)]
    assert error_of(book.receive(ALICE, incoming(1))) == "cancelled"
    assert book.rpc.handlers == 3


def test_handlers_are_bounded_in_all_and_for_each_caller() -> None:
    book = serving(max_handlers=3, max_handlers_per_peer=2)
    for number in (1, 2):
        delivered(book.receive(ALICE, incoming(number)))
    assert error_of(book.receive(ALICE, incoming(3))) == "busy"
    delivered(book.receive(BOB, incoming(1)))
    assert error_of(book.receive(CAROL, incoming(1))) == "busy"


def test_handlers_are_bounded_for_each_network_that_is_globally_routable() -> None:
    book = serving(max_handlers_per_network=1)
    for who, host in ((ALICE, "8.8.8.8"), (BOB, "8.8.8.9"), (CAROL, "192.168.0.1"), (DAVE, "192.168.0.2")):
        book.feed(up(who, host))
    first, _ = delivered(book.receive(ALICE, incoming(1)))
    refused = sent_reply(book.receive(BOB, incoming(1)))[1]
    assert (refused.error, refused.reason) == ("busy", "1 calls of this caller's network are running")
    assert [trace.fields["limit"] for trace in book.traces if trace.name == "limit.met"] == ["calls"]
    for who in (CAROL, DAVE):
        delivered(book.receive(who, incoming(1)))
    book.feed(PeerDown(ALICE, "idle", ""))
    assert error_of(book.receive(BOB, incoming(2))) == "busy", "it counts until it has ended"
    book.feed(HandlerDone(first))
    delivered(book.receive(BOB, incoming(3)))


def test_a_cancelled_handler_counts_until_it_has_ended() -> None:
    book = serving(max_handlers_per_peer=1)
    delivery, _ = delivered(book.receive(ALICE, incoming(1)))
    book.receive(ALICE, cancel(incoming(1)))
    assert error_of(book.receive(ALICE, incoming(2))) == "busy"
    book.feed(HandlerDone(delivery))
    delivered(book.receive(ALICE, incoming(2)))


def test_a_caller_with_too_many_bytes_is_held_back_and_then_refused() -> None:
    book = serving(max_args_bytes_per_peer=300, args_high_water=150, args_low_water=100)
    first, _ = delivered(book.receive(ALICE, incoming(1, args=bytes(100))))
    actions = book.receive(ALICE, incoming(2, args=bytes(100)))
    second, _ = delivered(actions)
    assert one(actions, PauseReading) == PauseReading(ALICE, Lane.RPC, True)
    actions = book.receive(ALICE, incoming(3, args=bytes(100)))
    third, _ = delivered(actions)
    assert not any(isinstance(action, PauseReading) for action in actions)
    assert error_of(book.receive(ALICE, incoming(4, args=b"x"))) == "busy"
    delivered(book.receive(BOB, incoming(4, args=bytes(100))))
    assert not any(isinstance(action, PauseReading) for action in book.feed(HandlerDone(third)))
    assert one(book.feed(HandlerDone(first)), PauseReading) == PauseReading(ALICE, Lane.RPC, False)
    assert not any(isinstance(action, PauseReading) for action in book.feed(HandlerDone(second)))


def test_all_arguments_together_are_bounded() -> None:
    book = serving(max_args_bytes=150)
    delivered(book.receive(ALICE, incoming(1, args=bytes(100))))
    assert error_of(book.receive(BOB, incoming(1, args=bytes(100)))) == "busy"


def test_a_new_connection_starts_unpaused() -> None:
    book = serving(max_args_bytes_per_peer=300, args_high_water=100, args_low_water=50)
    delivery, _ = delivered(book.receive(ALICE, incoming(1, args=bytes(101))))
    book.feed(PeerDown(ALICE, "idle", ""))
    assert one(book.receive(ALICE, incoming(2, args=b"x")), PauseReading).paused
    book.feed(PeerDown(ALICE, "idle", ""))
    assert book.feed(HandlerDone(delivery)) == []


def test_an_envelope_pauses_no_connection() -> None:
    book = serving(args_high_water=100, args_low_water=50)
    actions = book.receive(ALICE, incoming(1, args=bytes(101)), hops=(BOB,))
    assert not any(isinstance(action, PauseReading) for action in actions)


def test_a_caller_that_does_not_take_its_replies_is_refused() -> None:
    book = serving()
    delivery, _ = delivered(book.receive(ALICE, incoming(1)))
    running, _ = delivered(book.receive(ALICE, incoming(2)))
    sent, _ = sent_reply(book.feed(HandlerDone(delivery)))
    assert sent.token is not None
    full = SendFailed(sent.token, ALICE, "busy", "too many messages wait for this peer")
    assert book.feed(full) == [RefusePeer(ALICE, "busy", "does not take its replies")]
    assert CancelDelivery(running) in book.feed(PeerDown(ALICE, "busy", "does not take its replies"))


def test_refusals_count_as_replies_that_must_be_taken() -> None:
    sent, _ = sent_reply(serving().receive(ALICE, incoming(1, "sub")))
    assert sent.token == REPLY_TOKEN


def test_a_reply_that_fails_for_another_reason_is_nobodys_fault() -> None:
    book = serving()
    sent, _ = sent_reply(book.receive(ALICE, incoming(1, "sub")))
    assert sent.token is not None
    assert book.feed(SendFailed(sent.token, ALICE, "disconnected", "the connection was lost")) == []
    routed, _ = sent_reply(book.receive(ALICE, incoming(2, "sub"), hops=(BOB,)))
    assert routed.token is None


def test_draining_refuses_new_calls_and_finishes_running_ones() -> None:
    book = serving()
    delivery, _ = delivered(book.receive(ALICE, incoming(1)))
    book.now = 1.0
    assert book.feed(Draining()) == []
    assert error_of(book.receive(ALICE, incoming(2))) == "not_found", "so that she does not ask here again"
    assert not book.rpc.idle
    assert sent_reply(book.feed(HandlerDone(delivery, b"42")))[1].result == b"42"
    assert book.rpc.next_deadline() == 1.2, "somebody still counts on this node"
    book.tick_at(1.1)
    assert not book.rpc.idle
    book.receive(ALICE, incoming(3))
    book.tick_at(1.2)
    assert not book.rpc.idle and book.rpc.next_deadline() == pytest.approx(1.3)
    book.tick_at(1.3)
    assert book.rpc.idle and book.rpc.next_deadline() is None


def test_a_node_that_nobody_calls_is_drained_at_once() -> None:
    book = serving()
    delivery, _ = delivered(book.receive(ALICE, incoming(1)))
    book.feed(HandlerDone(delivery, b"42"))
    book.now = 0.3
    book.feed(Draining())
    assert book.rpc.idle


def test_a_result_for_an_unknown_delivery_is_ignored() -> None:
    assert serving().feed(HandlerDone(7, b"42")) == []
