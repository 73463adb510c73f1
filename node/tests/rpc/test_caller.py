from __future__ import annotations

from typing import Any

import pytest

from macula.core.commands import CancelCall, Strategy
from macula.core.effects import Completed
from macula.core.events import PeerSuspect
from macula.core.lanes import Lane
from macula.core.record import Kind, Record
from macula.core.requests import FindRecords, Hold, PeerDown, RecordsFound, Release, SendFailed, SendTo
from macula.core.results import CallResult
from macula.errors import (
    ArgumentError,
    Busy,
    Cancelled,
    Disconnected,
    MaxHopsExceeded,
    MeshError,
    NotFound,
    RemoteError,
    Timeout,
    Unauthorized,
)
from macula.identity import NodeId
from macula.wire.messages import Call, Cancel

from .playbook import (
    REALM,
    Playbook,
    failure,
    idempotent,
    node,
    one,
    record,
    reply,
    request,
    sent_call,
    sent_cancel,
)

A, B, C = node(1), node(2), node(3)


def down(peer: NodeId) -> PeerDown:
    return PeerDown(peer, "idle", "gone")


def test_a_provider_is_held_from_the_first_call_to_the_last_answer() -> None:
    book = Playbook()
    first, second = book.call(record(A)), book.give(request())
    assert [Hold(A) in actions for actions in (first, second)] == [True, False]
    ended = [book.receive(A, reply(sent_call(actions)[1])) for actions in (first, second)]
    assert [Release(A) in actions for actions in ended] == [False, True]
    assert Hold(A) in book.give(request())


def test_a_call_looks_up_holds_sends_and_completes() -> None:
    book = Playbook()
    assert book.give(request()) == [FindRecords(1000, REALM, Kind.RPC, "add", max_age=0.0)]
    book.now = 0.5
    sent = book.feed(RecordsFound(1000, (record(A),)))
    _, call, token = sent_call(sent)
    assert call == Call(REALM, call.call_id, "add", b"args", 4500)
    assert sent == [Hold(A), SendTo(A, Lane.RPC, call, token)]
    book.now = 0.75
    assert book.receive(A, reply(call, b"42"), hops=(B,)) == [
        Release(A),
        Completed(1, CallResult(b"42", A, (B,), 0.25)),
    ]
    assert (book.rpc.calls, book.rpc.next_deadline()) == (0, None)
    start, stop = book.traces
    about = {"procedure": "add", "call": call.call_id.hex()}
    assert (start.name, start.fields) == ("call.start", about)
    assert (stop.name, stop.fields) == (
        "call.stop",
        {**about, "peer": A, "local": False, "streams": False, "code": "ok"},
    )
    assert stop.measurements == {"duration": 750.0}


def test_known_providers_need_no_lookup_and_take_turns() -> None:
    book = Playbook()
    first, _, _ = sent_call(book.call(record(A), record(B)))
    second, _, _ = sent_call(book.give(request()))
    third, _, _ = sent_call(book.give(request()))
    assert {first, second} == {A, B} and third == first


def test_calls_share_a_lookup() -> None:
    book = Playbook()
    search = one(book.give(request()), FindRecords)
    assert book.give(request()) == []
    actions = book.feed(RecordsFound(search.token, (record(A),)))
    assert len([action for action in actions if isinstance(action, SendTo)]) == 2


def test_the_lookup_is_renewed_beside_a_call() -> None:
    book = Playbook(refresh_after=10.0)
    book.call(record(A))
    book.now = 10.0
    actions = book.give(request())
    search = one(actions, FindRecords)
    assert sent_call(actions)[0] == A
    assert book.feed(RecordsFound(search.token, (record(B),))) == []
    assert sent_call(book.give(request()))[0] == B


def test_no_provider_is_not_found_and_believed_for_a_second_only() -> None:
    book = Playbook()
    assert isinstance(failure(book.call()), NotFound)
    assert isinstance(failure(book.give(request())), NotFound)
    book.now = 1.0
    one(book.give(request()), FindRecords)


def test_a_target_is_called_without_a_lookup_and_nobody_else() -> None:
    book = Playbook()
    peer, call, token = sent_call(book.give(request(target=B)))
    assert peer == B
    actions = book.feed(SendFailed(token, B, "disconnected", "refused"))
    assert isinstance(failure(actions), Disconnected)
    _, call, _ = sent_call(book.give(request(target=B)))
    assert isinstance(failure(book.receive(B, reply(call, error="not_found"))), NotFound)
    sent_call(book.give(request(target=B)))
    assert isinstance(failure(book.feed(down(B))), Disconnected)


@pytest.mark.parametrize("code", ["disconnected", "no_route", "max_hops_exceeded", "busy"])
def test_a_message_never_sent_goes_to_the_next_provider_with_the_same_id(code: str) -> None:
    book = Playbook()
    first, call, token = sent_call(book.call(record(A), record(B)))
    book.now = 1.0
    actions = book.feed(SendFailed(token, first, code, "why"))
    assert actions[0] == Release(first)
    second, again, _ = sent_call(actions)
    assert {first, second} == {A, B}
    assert (again.call_id, again.timeout_ms) == (call.call_id, 4000)


def fail_sends(book: Playbook, actions: list[Any], *codes: str) -> list[Any]:
    for code in codes:
        peer, _, token = sent_call(actions)
        actions = book.feed(SendFailed(token, peer, code, "why"))
        if any(isinstance(action, FindRecords) for action in actions):
            actions = book.feed(RecordsFound(one(actions, FindRecords).token, ()))
    return actions


@pytest.mark.parametrize(
    ("codes", "error"),
    [
        (("busy", "busy"), Busy),
        (("busy", "disconnected"), Disconnected),
        (("disconnected", "max_hops_exceeded"), Disconnected),
        (("max_hops_exceeded", "busy"), MaxHopsExceeded),
        (("no_route", "no_route"), Disconnected),
    ],
)
def test_with_no_provider_left_the_worst_reason_counts(codes: tuple[str, ...], error: type[MeshError]) -> None:
    book = Playbook()
    actions = fail_sends(book, book.call(record(A), record(B)), *codes)
    assert type(failure(actions)) is error
    assert book.rpc.calls == 0


def test_providers_that_failed_are_forgotten_and_looked_up_once_more() -> None:
    book = Playbook()
    book.call(record(A))
    book.now = 1.0
    _, _, token = sent_call(book.give(request()))
    actions = book.feed(SendFailed(token, A, "disconnected", "refused"))
    search = one(actions, FindRecords)
    assert sent_call(book.feed(RecordsFound(search.token, (record(A), record(B)))))[0] == B


def test_a_provider_that_refused_is_not_tried_again_by_the_same_call() -> None:
    book = Playbook()
    _, call, _ = sent_call(book.call(record(A)))
    assert isinstance(failure(book.receive(A, reply(call, error="not_found", reason="not here"))), NotFound)
    assert book.rpc.calls == 0


def test_busy_goes_on_to_the_next_provider_and_is_not_forgotten() -> None:
    book = Playbook()
    first, call, _ = sent_call(book.call(record(A), record(B)))
    second, _, _ = sent_call(book.receive(first, reply(call, error="busy", reason="full")))
    assert second != first
    error = failure(book.receive(second, reply(call, error="busy", reason="full")))
    assert isinstance(error, Busy) and error.reason == "full"
    assert sent_call(book.give(request()))[0] == first


def test_not_found_forgets_the_provider() -> None:
    book = Playbook()
    first, call, _ = sent_call(book.call(record(A), record(B)))
    second, _, _ = sent_call(book.receive(first, reply(call, error="not_found")))
    for _ in range(3):
        assert sent_call(book.give(request()))[0] == second


@pytest.mark.parametrize(
    ("code", "error"), [("remote", RemoteError), ("unauthorized", Unauthorized), ("odd", RemoteError)]
)
def test_an_error_of_the_handler_ends_the_call(code: str, error: type[MeshError]) -> None:
    book = Playbook()
    first, call, _ = sent_call(book.call(idempotent(A), idempotent(B)))
    assert type(failure(book.receive(first, reply(call, b"", code, "said so")))) is error


def test_a_lost_connection_ends_the_call() -> None:
    book = Playbook()
    first, _, token = sent_call(book.call(record(A), record(B)))
    actions = book.feed(down(first))
    assert actions[0] == Release(first)
    assert isinstance(failure(actions), Disconnected)
    assert book.feed(SendFailed(token, first, "disconnected", "late")) == []


def test_an_idempotent_call_survives_a_lost_connection() -> None:
    book = Playbook()
    first, call, _ = sent_call(book.call(idempotent(A), idempotent(B)))
    book.now = 2.0
    second, again, _ = sent_call(book.feed(down(first)))
    assert second != first
    assert (again.call_id, again.timeout_ms) == (call.call_id, 3000)
    assert isinstance(failure(book.feed(down(second))), Disconnected)


def test_idempotence_is_that_of_the_provider_the_call_is_at() -> None:
    book = Playbook()
    first, _, _ = sent_call(book.call(idempotent(A), record(B)))
    actions = book.feed(down(first))
    assert any(isinstance(action, Completed) for action in actions) == (first == B)


def test_a_timeout_comes_at_the_deadline_and_cancels() -> None:
    book = Playbook()
    _, call, _ = sent_call(book.call(record(A), timeout=2.0))
    assert book.rpc.next_deadline() == 2.0
    assert book.tick_at(1.999) == []
    actions = book.tick_at(2.0)
    assert sent_cancel(actions) == SendTo(A, Lane.RPC, Cancel(REALM, call.call_id))
    assert one(actions, Release) == Release(A)
    assert isinstance(failure(actions), Timeout)


def test_a_reply_at_the_deadline_is_too_late() -> None:
    book = Playbook()
    _, call, _ = sent_call(book.call(record(A), timeout=2.0))
    book.now = 2.0
    assert isinstance(failure(book.receive(A, reply(call))), Timeout)
    assert "call.unexpected_reply" not in [trace.name for trace in book.traces]


def test_only_so_many_ended_calls_are_remembered() -> None:
    book = Playbook(max_ended=2)
    calls = [sent_call(book.call(record(A)))[1]] + [sent_call(book.give(request()))[1] for _ in range(2)]
    for call in calls:
        one(book.receive(A, reply(call)), Completed)
    for call in calls[1:]:
        assert book.receive(A, reply(call)) == []
    assert "call.unexpected_reply" not in [trace.name for trace in book.traces]
    assert book.receive(A, reply(calls[0])) == []
    assert book.traces[-1].name == "call.unexpected_reply"


def test_a_provider_that_answers_after_the_call_went_on_is_no_stranger() -> None:
    book = Playbook()
    first, call, _ = sent_call(book.call(idempotent(A), idempotent(B)))
    second, again, _ = sent_call(book.feed(down(first)))
    assert book.receive(first, reply(call)) == []
    assert "call.unexpected_reply" not in [trace.name for trace in book.traces]
    one(book.receive(second, reply(again)), Completed)


def test_a_call_that_waits_for_its_lookup_times_out_too() -> None:
    book = Playbook()
    search = one(book.give(request(timeout=1.0)), FindRecords)
    assert isinstance(failure(book.tick_at(1.0)), Timeout)
    assert book.feed(RecordsFound(search.token, (record(A),))) == []


def test_cancelling_tells_the_provider() -> None:
    book = Playbook()
    _, call, _ = sent_call(book.call(record(A)))
    actions = book.give(CancelCall(1))
    assert actions[:2] == [SendTo(A, Lane.RPC, Cancel(REALM, call.call_id)), Release(A)]
    ended, cancel = actions[2:]
    assert isinstance(ended, Completed) and ended.id == 1 and isinstance(ended.error, Cancelled)
    assert cancel == Completed(2)
    assert book.give(CancelCall(1)) == [Completed(3)]


def test_a_reply_that_nobody_waits_for_is_ignored() -> None:
    book = Playbook()
    first, call, _ = sent_call(book.call(record(A), record(B)))
    other = B if first == A else A
    assert book.receive(other, reply(call)) == []
    assert book.traces[-1].name == "call.unexpected_reply"
    assert book.traces[-1].limit == f"call.unexpected_reply {other}"
    one(book.receive(first, reply(call)), Completed)
    assert book.receive(first, reply(call)) == []


def test_a_suspect_provider_is_avoided() -> None:
    book = Playbook()
    book.call(record(A), record(B))
    book.feed(PeerSuspect(A, True))
    assert [sent_call(book.give(request()))[0] for _ in range(3)] == [B, B, B]
    book.feed(PeerSuspect(A, False))
    assert sent_call(book.give(request()))[0] == A


def test_an_idempotent_call_does_not_wait_for_a_suspect_provider() -> None:
    book = Playbook()
    first, call, _ = sent_call(book.call(idempotent(A), idempotent(B)))
    moved = book.feed(PeerSuspect(first, True))
    other, again, _ = sent_call(moved)
    assert {first, other} == {A, B} and again.call_id == call.call_id
    assert [action.peer for action in moved if isinstance(action, SendTo) and isinstance(action.message, Cancel)] == [
        first
    ]


@pytest.mark.parametrize("known", [(idempotent(A),), (record(A), record(B))])
def test_a_call_with_nowhere_to_go_waits_for_its_suspect_provider(known: tuple[Record, ...]) -> None:
    book = Playbook()
    provider, _, _ = sent_call(book.call(*known))
    assert book.feed(PeerSuspect(provider, True)) == []


def test_a_black_hole_becomes_slow() -> None:
    book = Playbook()
    first, call, _ = sent_call(book.call(record(A), record(B), strategy=Strategy.LEAST_LATENCY, timeout=1.0))
    book.tick_at(1.0)
    other = B if first == A else A
    for _ in range(5):
        peer, call, _ = sent_call(book.give(request(strategy=Strategy.LEAST_LATENCY)))
        assert peer == other
        book.receive(peer, reply(call))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"timeout": 0.0}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"timeout": 1e9}, "timeout"),
        ({"procedure": "no spaces"}, "procedure"),
        ({"args": bytes(1 << 20)}, "args"),
    ],
)
def test_a_wrong_argument_is_named_and_changes_nothing(change: dict[str, Any], field: str) -> None:
    book = Playbook()
    with pytest.raises(ArgumentError) as raised:
        book.give(request(**change))
    assert raised.value.field == field
    assert book.rpc.calls == 0


def test_the_number_of_calls_is_bounded() -> None:
    book = Playbook(max_calls=1)
    book.call(record(A))
    with pytest.raises(Busy):
        book.give(request())
    book.give(CancelCall(1))
    sent_call(book.give(request()))


def test_an_expired_record_is_not_used() -> None:
    book = Playbook()
    records: tuple[Record, ...] = (record(A, ttl=20), record(B))
    book.call(*records)
    book.now = 30.0
    assert {sent_call(book.give(request()))[0] for _ in range(3)} == {B}
