from __future__ import annotations

import pytest

from macula.core.commands import Advertise, CancelCall, DhtStats, Unadvertise
from macula.core.effects import CancelDelivery, Completed
from macula.core.events import HandlerDone
from macula.core.record import Kind
from macula.core.requests import Draining, FindRecords, PublishRecord, RecordsFound, RecordStored, WithdrawRecord
from macula.core.results import CallResult
from macula.errors import ArgumentError, Cancelled, NodeClosed, NotFound, Timeout
from macula.wire.messages import Hello, Ping

from .playbook import ME, REALM, Playbook, delivered, failure, node, one, record, request, sent_call


def test_advertising_completes_when_the_record_is_stored() -> None:
    book = Playbook()
    (publish,) = book.give(Advertise("add", idempotent=True))
    assert publish == PublishRecord(1000, REALM, Kind.RPC, "add", {"idempotent": True})
    assert book.rpc.procedures == ("add",)
    assert book.feed(RecordStored(1000, 3)) == [Completed(1)]
    assert book.feed(RecordStored(1000, 3)) == []


def test_unadvertising_withdraws() -> None:
    book = Playbook()
    book.give(Advertise("add", idempotent=True))
    assert book.give(Unadvertise("add")) == [WithdrawRecord(1001, REALM, Kind.RPC, "add")]
    assert book.rpc.procedures == ()
    assert book.feed(RecordStored(1001, 0)) == [Completed(2)]


def test_wrong_commands_are_refused_and_change_nothing() -> None:
    book = Playbook(max_procedures=1)
    with pytest.raises(ArgumentError, match="procedure"):
        book.give(Advertise("a..b", idempotent=False))
    with pytest.raises(ArgumentError, match="not advertised"):
        book.give(Unadvertise("add"))
    with pytest.raises(ArgumentError, match="DhtStats"):
        book.give(DhtStats())
    book.give(Advertise("add", idempotent=False))
    with pytest.raises(ArgumentError, match="at most 1"):
        book.give(Advertise("sub", idempotent=False))
    book.give(Advertise("add", idempotent=True))
    book.feed(Draining())
    with pytest.raises(NodeClosed):
        book.give(Advertise("add", idempotent=False))
    assert book.rpc.procedures == ("add",)


def test_a_node_calls_itself_without_the_network() -> None:
    book = Playbook()
    book.give(Advertise("add", idempotent=False))
    actions = book.call()
    delivery, content = delivered(actions)
    assert len(actions) == 1 and content.caller == ME
    book.now = 0.5
    assert book.feed(HandlerDone(delivery, b"42")) == [Completed(2, CallResult(b"42", ME, (), 0.5))]
    assert (book.rpc.calls, book.rpc.handlers) == (0, 0)


def test_the_local_provider_takes_turns_with_the_others() -> None:
    book = Playbook()
    book.give(Advertise("add", idempotent=False))
    seen = []
    actions = book.call(record(node(1)), record(ME))
    for _ in range(4):
        seen.append("local" if any(type(action).__name__ == "Deliver" for action in actions) else "remote")
        actions = book.give(request())
    assert sorted(seen[:2]) == ["local", "remote"] and seen[:2] == seen[2:]


def test_a_withdrawn_local_provider_is_not_called_even_while_its_record_lives() -> None:
    book = Playbook()
    book.give(Advertise("add", idempotent=False))
    book.call(record(ME))
    book.give(Unadvertise("add"))
    search = one(book.give(request()), FindRecords)
    assert isinstance(failure(book.feed(RecordsFound(search.token, ()))), NotFound)


def test_a_call_to_itself_by_id_that_it_does_not_provide() -> None:
    assert isinstance(failure(Playbook().give(request(target=ME))), NotFound)


def test_cancelling_and_timing_out_a_local_call_stops_its_handler() -> None:
    book = Playbook()
    book.give(Advertise("add", idempotent=False))
    delivery, _ = delivered(book.call())
    actions = book.give(CancelCall(2))
    assert CancelDelivery(delivery) in actions
    assert any(isinstance(action, Completed) and isinstance(action.error, Cancelled) for action in actions)
    delivery, _ = delivered(book.give(request(timeout=1.0)))
    actions = book.tick_at(1.0)
    assert CancelDelivery(delivery) in actions
    assert isinstance(failure(actions), Timeout)
    assert "call.unexpected_reply" not in [trace.name for trace in book.traces]


def test_a_draining_node_passes_its_own_calls_to_others() -> None:
    book = Playbook()
    book.give(Advertise("add", idempotent=False))
    book.call(record(node(1)))
    book.feed(Draining())
    assert [sent_call(book.give(request()))[0] for _ in range(2)] == [node(1), node(1)]


def test_messages_and_answers_of_others_are_ignored() -> None:
    book = Playbook()
    assert book.receive(node(1), Ping(1)) == []
    assert book.receive(node(1), Hello(2, 2, (), (), b"x")) == []
    assert book.feed(RecordStored(5, 1)) == []
    assert book.feed(RecordsFound(5, ())) == []
    assert book.rpc.next_deadline() is None
