from __future__ import annotations

from typing import Any

from macula.core.record import Kind, Record, open_record, record_key
from macula.core.requests import Draining, FindRecords, PublishRecord, RecordsFound, RecordStored, WithdrawRecord
from macula.wire import codes
from macula.wire.messages import FindNode, FindValue, Store

from .desk import ME, Desk
from .people import REALM, peer, person, record

ALL = (1, 2, 3)


def joined(**settings: Any) -> Desk:
    """A node that knows three others, which know nobody, and has stored its peer record at them."""
    desk = Desk(**settings)
    for who in ALL:
        desk.up(peer(who))
    settle(desk)
    return desk


def settle(desk: Desk, **answers: Any) -> list[Any]:
    """Everybody answers everything, and the delays that gather records pass."""
    rest: list[Any] = []
    while desk.sent:
        for who in ALL:
            rest += desk.answer(peer(who), **answers)
        rest += desk.tick(desk.now + 0.03)
    return rest


def publish(desk: Desk, name: str = "add", value: Any = 1, token: int = 7) -> None:
    assert desk.feed(PublishRecord(token, REALM, Kind.RPC, name, value)) == []


def stores(desk: Desk, to: int = 1, name: str = "add") -> list[Record]:
    """The records of this name that wait at a peer to be stored."""
    sent = [each.message for each in desk.sent if each.peer == peer(to).node]
    opened = [open_record(r) for message in sent if isinstance(message, Store) for r in message.records]
    return [each for each in opened if each.name == name]


def run_to_stores(desk: Desk) -> None:
    """The lookups are answered; what is to be stored waits in `sent`."""
    while any(isinstance(each.message, FindNode) for each in desk.sent):
        for each in [each for each in desk.sent if isinstance(each.message, FindNode)]:
            desk.answer(next(peer(who) for who in ALL if peer(who).node == each.peer))
    desk.tick(desk.now + 0.03)


def test_without_a_network_a_record_is_stored_nowhere_and_still_found() -> None:
    desk = Desk()
    assert desk.feed(PublishRecord(7, REALM, Kind.RPC, "add", 5)) == [RecordStored(7, 0)]
    ((token, found),) = [
        (answer.token, answer.records)
        for answer in desk.feed(FindRecords(8, REALM, Kind.RPC, "add", 0.0))
        if isinstance(answer, RecordsFound)
    ]
    assert token == 8
    assert [(each.node, each.value) for each in found] == [(person(ME).node_id, 5)]


def test_a_record_made_before_the_network_is_published_on_joining() -> None:
    desk = Desk()
    desk.feed(PublishRecord(7, REALM, Kind.RPC, "add", 5))
    desk.up(peer(1))
    assert not desk.dht.joined
    desk.answer(peer(1))
    assert desk.dht.joined
    run_to_stores(desk)
    assert [each.value for each in stores(desk)] == [5]


def test_a_record_is_stored_at_the_closest_and_answered_once_they_have() -> None:
    desk = joined()
    publish(desk)
    run_to_stores(desk)
    assert all(len(stores(desk, who)) == 1 for who in ALL)
    assert desk.answer(peer(1)) == []
    assert desk.answer(peer(2), code=codes.UNCHANGED) == []
    assert not desk.dht.drained
    assert desk.answer(peer(3), code=codes.QUOTA) == [RecordStored(7, 2)]
    assert desk.dht.drained
    assert [trace.fields["reason"] for trace in desk.traces if trace.name == "dht.store.refused"] == ["quota"]


def test_a_node_that_does_not_answer_does_not_count() -> None:
    desk = joined()
    publish(desk)
    run_to_stores(desk)
    desk.answer(peer(1))
    desk.answer(peer(2))
    assert desk.tick(desk.now + 2.1) == [RecordStored(7, 2)]


def test_several_records_for_one_node_travel_in_one_message() -> None:
    desk = joined()
    for number in range(5):
        publish(desk, f"p{number}", token=number)
    run_to_stores(desk)
    (message,) = [each.message for each in desk.sent if each.peer == peer(1).node and isinstance(each.message, Store)]
    assert len(message.records) == 5
    answered = settle(desk)
    assert sorted(each.token for each in answered) == [0, 1, 2, 3, 4]


def test_a_record_is_renewed_at_about_half_of_its_ttl_with_a_higher_sequence() -> None:
    desk = joined()
    publish(desk)
    run_to_stores(desk)
    (first,) = stores(desk)
    settle(desk)
    began = desk.now
    seen: list[Record] = []
    while not seen:
        desk.tick(desk.now + 1)
        run_to_stores(desk)
        seen = stores(desk)
        settle(desk)
    assert 115 < desk.now - began < 155
    assert seen[0].seq > first.seq
    assert seen[0].value == first.value


def test_the_sequence_rises_even_when_the_clock_stands_still() -> None:
    desk = joined()
    for value in (1, 2, 3):
        publish(desk, value=value)
    run_to_stores(desk)
    (latest,) = stores(desk)
    assert latest.value == 3, "only the newest is sent"
    assert latest.seq > record(ME).seq


def test_withdrawing_leaves_a_tombstone_that_is_not_renewed_and_is_forgotten_in_the_end() -> None:
    desk = joined()
    publish(desk)
    settle(desk)
    assert desk.feed(WithdrawRecord(8, REALM, Kind.RPC, "add")) == []
    run_to_stores(desk)
    (gone,) = stores(desk)
    assert gone.is_tombstone
    assert settle(desk) == [RecordStored(8, 3)]
    assert desk.feed(WithdrawRecord(9, REALM, Kind.RPC, "add")) == [RecordStored(9, 0)]
    for _ in range(400):
        desk.tick(desk.now + 1)
        assert stores(desk) == []
        settle(desk)


def test_withdrawing_what_was_never_published() -> None:
    assert joined().feed(WithdrawRecord(9, REALM, Kind.RPC, "add")) == [RecordStored(9, 0)]


def test_a_record_that_is_too_large_is_refused_with_a_reason() -> None:
    desk = joined()
    assert desk.feed(PublishRecord(7, REALM, Kind.RPC, "add", "x" * 1024)) == [RecordStored(7, 0)]
    assert [trace.name for trace in desk.traces if "publish" in trace.name] == ["dht.publish.refused"]


def test_draining_withdraws_everything_from_its_holders_at_once() -> None:
    desk = joined()
    publish(desk)
    settle(desk)
    assert desk.feed(Draining()) == []
    for who in ALL:
        assert [each.is_tombstone for each in stores(desk, who)] == [True]
        assert [each.is_tombstone for each in stores(desk, who, str(person(ME).node_id))] == [True]
    assert not desk.dht.drained
    settle(desk)
    assert desk.dht.drained
    assert desk.feed(PublishRecord(9, REALM, Kind.RPC, "add", 1)) == [RecordStored(9, 0)]
    desk.tick(desk.now + 200)
    assert stores(desk) == []


def test_a_newcomer_gets_the_records_it_should_hold() -> None:
    desk = joined()
    publish(desk)
    settle(desk)
    desk.up(peer(4))
    desk.tick(desk.now + 0.03)
    assert len(stores(desk, 4)) == 1


def test_what_nobody_took_is_tried_again_soon() -> None:
    desk = joined()
    publish(desk)
    assert settle(desk, code=codes.QUOTA) == [RecordStored(7, 0)]
    began = desk.now
    while not desk.sent:
        desk.tick(desk.now + 0.5)
    run_to_stores(desk)
    assert 4.5 < desk.now - began < 11.0
    assert len(stores(desk)) == 1


def test_a_holder_with_a_higher_sequence_is_read_and_overtaken() -> None:
    """The clock was set back: our new record is stale where the old one still lives."""
    desk = joined()
    ahead = record(ME, value="old", seq=10**15)
    publish(desk, value="new")
    run_to_stores(desk)
    for who in ALL:
        desk.answer(peer(who), code=codes.STALE)
    asked = [each for each in desk.sent if isinstance(each.message, FindValue)]
    assert {each.message.key for each in asked if isinstance(each.message, FindValue)} == {
        record_key(REALM, Kind.RPC, "add")
    }
    for who in ALL:
        desk.answer(peer(who), records=(ahead.encoded,))
    run_to_stores(desk)
    newest = max(stores(desk), key=lambda each: each.seq)
    assert (newest.value, newest.seq) == ("new", 10**15 + 1)
