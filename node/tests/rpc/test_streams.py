"""Streaming calls, step by step: who may send how much, and how a call ends."""

from __future__ import annotations

from typing import Any

import pytest

from macula.core.commands import CancelCall, EndItems, ItemTaken, SendItem
from macula.core.deliveries import StreamDelivery
from macula.core.effects import CancelDelivery, Completed, Deliver
from macula.core.events import HandlerDone, SendBlocked, SendReady
from macula.core.lanes import Lane
from macula.core.requests import PeerDown, RefusePeer, SendFailed, SendTo
from macula.core.service import Action
from macula.errors import ArgumentError, Busy, Cancelled, Disconnected, NotFound, RemoteError, Timeout
from macula.identity import NodeId
from macula.rpc.streams import OVERHEAD
from macula.wire.messages import Cancel, Message, Reply
from macula.wire.streaming import StreamCall, StreamCredit, StreamEnd, StreamItem

from .playbook import REALM, Playbook, delivered, failure, idempotent, node, record

ALICE, BOB, CAROL = node(1), node(2), node(3)
WINDOW = 2 << 20
ID = bytes(16)
HALF = bytes(WINDOW // 2 - OVERHEAD)
"""Uses up half a window."""


def sent(actions: list[Action], lane: Lane | None = None) -> list[Message]:
    return [a.message for a in actions if isinstance(a, SendTo) and lane in (None, a.lane)]


def given(actions: list[Action]) -> list[bytes | None]:
    """What the application was given."""
    return [a.content.payload for a in actions if isinstance(a, Deliver) and isinstance(a.content, StreamDelivery)]


def completed(actions: list[Action]) -> list[Any]:
    return [a.error for a in actions if isinstance(a, Completed)]


def calling(play: Playbook, *providers: NodeId, sends: bool = False, timeout: float = 5.0) -> bytes:
    """This node's call, command 1, has gone to the only provider, or to one of two that are idempotent; its id."""
    records = [record(peer) for peer in providers] if len(providers) == 1 else [idempotent(peer) for peer in providers]
    (message,) = sent(play.call(*records, streams=True, sends=sends, timeout=timeout), Lane.RPC)
    assert isinstance(message, StreamCall) and (message.credit, message.sends) == (WINDOW, sends)
    return message.call_id


def handling(play: Playbook, credit: int = WINDOW, sends: bool = False) -> int:
    """Bob's call runs at this node; the number of its delivery."""
    play.rpc._provider.advertised["add"] = False
    actions = play.receive(BOB, StreamCall(REALM, ID, "add", b"args", 5000, credit, sends))
    delivery, content = delivered(actions)
    assert content.streams and content.sends is sends
    assert sent(actions) == ([StreamCredit(REALM, ID, True, WINDOW)] if sends else [])
    return delivery


def item(payload: bytes, answer: bool = True, call: bytes = ID) -> StreamItem:
    return StreamItem(REALM, call, answer, payload)


def end(error: str = "", call: bytes = ID, answer: bool = True) -> StreamEnd:
    return StreamEnd(REALM, call, answer, error, "why" if error else "")


def test_results_go_as_far_as_the_callers_credit() -> None:
    play = Playbook()
    handler = handling(play)
    for _ in range(2):
        actions = play.give(SendItem(handler, True, HALF))
        assert sent(actions, Lane.BULK) == [item(HALF)] and completed(actions) == [None]
    assert play.give(SendItem(handler, True, b"x")) == []
    assert play.receive(BOB, StreamCredit(REALM, ID, False, WINDOW)) == []
    actions = play.receive(BOB, StreamCredit(REALM, ID, False, WINDOW + 1 + OVERHEAD))
    assert sent(actions, Lane.BULK) == [item(b"x")] and completed(actions) == [None]
    assert sent(play.feed(HandlerDone(handler)), Lane.BULK) == [end()]


def test_credit_follows_what_the_application_has_taken() -> None:
    play = Playbook()
    call = calling(play, BOB)
    for _ in range(2):
        assert given(play.receive(BOB, item(HALF, call=call))) == [HALF]
    assert sent(play.give(ItemTaken(1, False))) == [StreamCredit(REALM, call, False, 3 * WINDOW // 2)]
    assert sent(play.give(ItemTaken(1, False))) == [StreamCredit(REALM, call, False, 2 * WINDOW)]
    assert sent(play.give(ItemTaken(1, False))) == []
    assert failure(play.receive(BOB, end(call=call))) is None


def test_more_than_the_credit_is_a_breach() -> None:
    play = Playbook()
    call = calling(play, BOB)
    for _ in range(2):
        play.receive(BOB, item(HALF, call=call))
    assert [a.code for a in play.receive(BOB, item(b"", call=call)) if isinstance(a, RefusePeer)] == ["unexpected"]


def test_arguments_wait_for_the_provider_to_accept_the_call_whatever_comes_first() -> None:
    play = Playbook()
    call = calling(play, BOB, sends=True)
    assert play.give(SendItem(1, False, b"one")) == []
    assert [type(error) for error in completed(play.give(SendItem(1, False, b"two")))] == [ArgumentError]
    assert sent(play.give(EndItems(1))) == []
    actions = play.receive(BOB, StreamCredit(REALM, call, True, WINDOW))
    assert sent(actions, Lane.BULK) == [item(b"one", False, call), end(answer=False, call=call)]


def test_an_upload_is_delivered_and_its_end_is_told() -> None:
    play = Playbook()
    handler = handling(play, sends=True)
    actions = play.receive(BOB, item(b"one", False)) + play.receive(BOB, end(answer=False))
    assert given(actions) == [b"one", None]
    assert all(a.delivery == handler for a in actions if isinstance(a, Deliver))


def test_a_blocked_lane_holds_items_back() -> None:
    play = Playbook()
    handler = handling(play)
    play.feed(SendBlocked(BOB, Lane.BULK))
    assert play.give(SendItem(handler, True, b"x")) == []
    assert play.feed(SendReady(ALICE, Lane.BULK)) == []
    assert sent(play.feed(SendReady(BOB, Lane.BULK))) == [item(b"x")]


def test_an_error_comes_after_the_items_before_it() -> None:
    play = Playbook()
    call = calling(play, BOB)
    assert given(play.receive(BOB, item(b"1", call=call))) == [b"1"]
    error = failure(play.receive(BOB, end("remote", call)))
    assert isinstance(error, RemoteError) and error.reason == "why"
    assert play.receive(BOB, item(b"2", call=call)) == []


def test_a_handlers_error_ends_the_stream() -> None:
    play = Playbook()
    handler = handling(play)
    play.give(SendItem(handler, True, b"1"))
    assert sent(play.feed(HandlerDone(handler, error="remote", reason="why"))) == [end("remote")]
    assert isinstance(completed(play.give(SendItem(handler, True, b"2")))[0], Cancelled)


def test_cancelling_fails_what_waits_and_reaches_the_provider() -> None:
    play = Playbook()
    call = calling(play, BOB, sends=True)
    play.give(SendItem(1, False, b"one"))
    actions = play.give(CancelCall(1))
    assert sent(actions) == [Cancel(REALM, call)]
    assert [type(error) for error in completed(actions)] == [Cancelled, Cancelled, type(None)]


def test_a_cancelled_handler_is_stopped() -> None:
    play = Playbook()
    handler = handling(play, credit=0)
    assert play.give(SendItem(handler, True, b"x")) == []
    actions = play.receive(BOB, Cancel(REALM, ID))
    assert CancelDelivery(handler) in actions and isinstance(completed(actions)[0], Cancelled)


def test_a_lost_connection_ends_the_call_even_if_idempotent_once_it_was_accepted() -> None:
    play = Playbook()
    first_call = calling(play, BOB, CAROL)
    first = next(iter(play.rpc._caller._by_id.values())).provider
    assert first is not None
    again = play.feed(PeerDown(first, "lost", "cut"))
    ((second, message),) = [(a.peer, a.message) for a in again if isinstance(a, SendTo)]
    assert {first, second} == {BOB, CAROL} and isinstance(message, StreamCall) and message.call_id == first_call
    play.receive(second, item(b"1", call=first_call))
    assert isinstance(failure(play.feed(PeerDown(second, "lost", "cut"))), Disconnected)


@pytest.mark.parametrize(("code", "error"), [("unsupported", NotFound), ("disconnected", Disconnected), ("busy", Busy)])
def test_a_provider_that_cannot_be_asked_is_left_for_the_next(code: str, error: type[Exception]) -> None:
    play = Playbook()
    actions = play.call(record(BOB), streams=True)
    (request,) = [a for a in actions if isinstance(a, SendTo)]
    assert request.needs == "stream" and request.token is not None
    actions = play.feed(SendFailed(request.token, BOB, code, "why"))
    assert code == "disconnected" or isinstance(failure(actions), error)


def test_a_refusal_before_the_first_item_goes_to_the_next_provider() -> None:
    play = Playbook()
    call = calling(play, BOB, CAROL)
    first = next(iter(play.rpc._caller._by_id.values())).provider
    assert first is not None
    actions = play.receive(first, Reply(REALM, call, b"", "busy", "full"))
    assert [type(message) for message in sent(actions)] == [StreamCall]


def test_the_time_is_for_each_step_of_the_provider() -> None:
    play = Playbook()
    call = calling(play, BOB, timeout=5.0)
    play.now = 4.0
    play.receive(BOB, item(b"1", call=call))
    assert play.tick_at(5.0) == [] and play.tick_at(9.5) == []  # the application has not taken it yet
    play.now = 11.0
    play.give(ItemTaken(1, False))
    assert play.tick_at(15.9) == []
    assert isinstance(failure(play.tick_at(16.1)), Timeout)


def test_a_handler_that_is_held_back_is_not_late() -> None:
    play = Playbook()
    handler = handling(play, credit=OVERHEAD)
    play.give(SendItem(handler, True, b""))
    play.give(SendItem(handler, True, b""))
    assert play.tick_at(30.0) == []
    play.receive(BOB, StreamCredit(REALM, ID, False, 10 * OVERHEAD))
    actions = play.tick_at(36.0)
    assert CancelDelivery(handler) in actions
    assert [message.error for message in sent(actions) if isinstance(message, StreamEnd)] == ["timeout"]


def test_a_call_in_which_nothing_moves_ends_at_last() -> None:
    play = Playbook(max_timeout=100.0)
    handler = handling(play, credit=0)
    play.give(SendItem(handler, True, b""))
    assert play.tick_at(99.0) == []
    assert CancelDelivery(handler) in play.tick_at(100.1)


def test_uploads_are_bounded() -> None:
    play = Playbook(max_uploads=3, max_uploads_per_peer=2)
    play.rpc._provider.advertised["add"] = False
    answers = []
    for number, peer in enumerate((BOB, BOB, BOB, CAROL, ALICE)):
        call = StreamCall(REALM, number.to_bytes(16, "big"), "add", b"", 5000, 0, True)
        answers += [m.error if isinstance(m, Reply) else "" for m in sent(play.receive(peer, call))]
    assert answers == ["", "", "busy", "", "busy"]


def test_what_belongs_to_no_call_is_nothing() -> None:
    play = Playbook()
    call = calling(play, BOB)
    for message in (item(b"x"), end(), StreamCredit(REALM, ID, True, 5), item(b"x", answer=False, call=call)):
        assert play.receive(BOB, message) == []
    assert play.receive(CAROL, item(b"x", call=call)) == [] and play.receive(CAROL, end(call=call)) == []


def test_a_plain_reply_ends_a_streaming_call_too() -> None:
    play = Playbook()
    actions = play.call(record(BOB), streams=True)
    (message,) = sent(actions)
    assert isinstance(message, StreamCall)
    play.receive(BOB, item(b"1", call=message.call_id))
    assert isinstance(failure(play.receive(BOB, Reply(REALM, message.call_id, b"", "not_found", "gone"))), NotFound)
