from __future__ import annotations

from typing import Any

import pytest

from macula.core.commands import DhtLookup, DhtStats
from macula.core.effects import Completed
from macula.core.events import CommandGiven
from macula.core.record import Kind, Record, open_record, record_key
from macula.core.requests import FindPeer, FindRecords, PeerDown, PeerFound, RecordsFound
from macula.core.results import DhtStatistics, LookupResult
from macula.wire import codes
from macula.wire.messages import FindValue, FindValueReply, Store

from .desk import Desk
from .people import REALM, WALL, forged, peer, person, record
from .test_publisher import ALL, joined

KEY = record_key(REALM, Kind.RPC, "add")


def find(desk: Desk, token: int = 7, max_age: float = 0.0) -> list[Any]:
    return desk.feed(FindRecords(token, REALM, Kind.RPC, "add", max_age))


def found(answers: list[Any]) -> list[Record]:
    (answer,) = answers
    assert isinstance(answer, RecordsFound)
    return list(answer.records)


def asked(desk: Desk) -> list[FindValue]:
    return [each.message for each in desk.sent if isinstance(each.message, FindValue)]


def repairs(desk: Desk, who: int) -> list[Record]:
    desk.tick(desk.now + 0.03)
    sent = [each.message for each in desk.sent if each.peer == peer(who).node]
    return [open_record(r) for message in sent if isinstance(message, Store) for r in message.records]


def test_the_answers_of_all_holders_are_merged() -> None:
    desk = joined()
    assert find(desk) == []
    desk.answer(peer(1), records=(record(11).encoded, record(12, at=-5).encoded))
    desk.answer(peer(2), records=(record(12, value=2).encoded,))
    records = found(desk.answer(peer(3), records=(record(13).encoded, record(14, value=None).encoded)))
    assert records == sorted((record(11), record(12, value=2), record(13)), key=lambda r: r.node)


@pytest.mark.parametrize(
    "lie",
    [
        forged(record(66).encoded),
        record(66, "subtract").encoded,
        record(66, at=-300).encoded,
        record(66, at=400).encoded,
        record(66, ttl=86401).encoded,
        peer(66).record.encoded,
        b"\xc1",
    ],
    ids=["forged", "wrong key", "expired", "future", "ttl", "peer record", "nonsense"],
)
def test_a_lying_holder_adds_nothing_and_is_traced(lie: bytes) -> None:
    desk = joined()
    find(desk)
    desk.answer(peer(1), records=(lie, record(11).encoded))
    desk.answer(peer(2))
    assert found(desk.answer(peer(3))) == [record(11)]
    limits = {trace.limit for trace in desk.traces if trace.name == "dht.record.refused"}
    assert limits == {str(peer(1).node)}


def test_a_rolled_back_record_loses_and_its_holder_is_repaired() -> None:
    desk = joined()
    find(desk)
    desk.answer(peer(1), records=(record(11, at=-9).encoded,))
    desk.answer(peer(2), records=(record(11, value=2).encoded,))
    assert found(desk.answer(peer(3))) == [record(11, value=2)]
    assert repairs(desk, 1) == [record(11, value=2)]
    assert repairs(desk, 2) == []
    assert repairs(desk, 3) == [record(11, value=2)]


def test_a_key_is_not_repaired_at_every_read() -> None:
    desk = joined()
    for _ in range(2):
        find(desk)
        desk.answer(peer(1), records=(record(11).encoded,))
        desk.answer(peer(2))
        desk.answer(peer(3), records=(record(11).encoded,))
    assert repairs(desk, 2) == [record(11)]


def test_pages_are_read_to_the_end() -> None:
    desk = joined()
    find(desk)
    people = sorted((record(who) for who in range(20, 26)), key=lambda r: r.node)
    for start in (0, 2, 4):
        (query,) = [each for each in desk.sent if each.peer == peer(1).node]
        assert isinstance(query.message, FindValue)
        assert query.message.after == (people[start - 1].node if start else b"")
        page = tuple(each.encoded for each in people[start : start + 2])
        desk.answer(peer(1), records=page, more=start < 4)
    desk.answer(peer(2))
    assert found(desk.answer(peer(3))) == people


def test_a_holder_whose_pages_do_not_end_is_left() -> None:
    desk = joined(max_pages=3)
    find(desk)
    for who in (20, 21, 22, 23, 24):
        desk.answer(peer(1), records=(record(who).encoded,), more=True)
    assert not [each for each in desk.sent if each.peer == peer(1).node]
    desk.answer(peer(2))
    assert 1 <= len(found(desk.answer(peer(3)))) <= 3


def test_reads_of_one_key_at_the_same_time_share_a_lookup() -> None:
    desk = joined()
    find(desk, token=1)
    find(desk, token=2)
    assert len(asked(desk)) == 3
    desk.answer(peer(1), records=(record(11).encoded,))
    desk.answer(peer(2))
    answers = desk.answer(peer(3))
    assert [(each.token, each.records) for each in answers] == [(1, (record(11),)), (2, (record(11),))]


def test_the_cache_answers_within_max_age_and_never_an_expired_record() -> None:
    desk = joined()
    find(desk)
    for who in ALL:
        desk.answer(peer(who), records=(record(11, ttl=30).encoded,))
    start = desk.now
    desk.now = start + 5
    assert found(find(desk, max_age=5.0)) == [record(11, ttl=30)]
    desk.now = start + 6
    assert find(desk, max_age=5.0) == []
    for who in ALL:
        desk.answer(peer(who))
    desk.now = 31.0
    assert find(desk, max_age=1000.0) == []


def test_a_refresh_asks_only_the_closest_few_and_keeps_what_was_found_before() -> None:
    desk = joined(refresh_width=1)
    find(desk)
    for who in ALL:
        desk.answer(peer(who), records=(record(10 + who).encoded,))
    desk.tick(1.0)
    desk.sent.clear()
    find(desk)
    assert len(asked(desk)) == 1
    (query,) = [each for each in desk.sent if isinstance(each.message, FindValue)]
    nearest = min(ALL, key=lambda who: peer(who).node.position ^ int.from_bytes(KEY, "big"))
    assert query.peer == peer(nearest).node
    gone = record(12, at=1, value=None)
    records = found(desk.answer(peer(nearest), records=(record(14).encoded, gone.encoded)))
    assert {each.node for each in records} == {person(who).node_id for who in (11, 13, 14)}


def test_a_refresh_goes_on_to_the_next_node_if_the_closest_is_gone() -> None:
    desk = joined(refresh_width=1)
    find(desk)
    for who in ALL:
        desk.answer(peer(who), records=(record(11).encoded,))
    desk.tick(1.0)
    desk.sent.clear()
    find(desk)
    assert desk.tick(3.1) == []
    assert len(asked(desk)) == 2


def test_what_this_node_keeps_for_others_counts_as_well() -> None:
    desk = Desk()
    desk.receive(peer(1), Store(REALM, 1, (record(11).encoded,)))
    assert found(find(desk)) == [record(11)]


def test_a_peer_is_found_by_its_record_and_a_connected_one_at_once() -> None:
    desk = joined()
    assert desk.feed(FindPeer(5, peer(1).node)) == [PeerFound(5, peer(1).node, peer(1))]
    stranger = peer(30, reachable=False)
    assert desk.feed(FindPeer(6, stranger.node)) == []
    desk.answer(peer(1), records=(stranger.record.encoded,))
    desk.answer(peer(2))
    assert desk.answer(peer(3)) == [PeerFound(6, stranger.node, stranger)]


def test_a_peer_that_nobody_knows() -> None:
    desk = joined()
    desk.feed(FindPeer(6, person(30).node_id))
    desk.answer(peer(1))
    desk.answer(peer(2))
    assert desk.answer(peer(3)) == [PeerFound(6, person(30).node_id, None)]


def test_a_peer_seen_lately_is_found_though_no_holder_has_its_record() -> None:
    desk = joined()
    desk.feed(PeerDown(peer(1).node, "idle", ""))
    desk.feed(FindPeer(6, peer(1).node))
    desk.answer(peer(1))
    desk.answer(peer(2))
    assert desk.answer(peer(3)) == [PeerFound(6, peer(1).node, peer(1))]


def test_this_node_finds_itself() -> None:
    desk = Desk()
    assert desk.feed(FindPeer(6, peer(0).node)) == [PeerFound(6, peer(0).node, peer(0))]


def test_the_lookup_command_tells_holders_and_the_closest_nodes() -> None:
    desk = joined()
    desk.receive(peer(1), Store(REALM, 1, (record(11).encoded,)))
    desk.take(type(desk.sent[-1].message))
    assert desk.feed(CommandGiven(3, DhtLookup(REALM, Kind.RPC, "add"))) == []
    desk.answer(peer(1), records=(record(11).encoded,))
    desk.answer(peer(2))
    (completed,) = desk.answer(peer(3))
    assert isinstance(completed, Completed)
    assert completed.id == 3
    result = completed.result
    assert isinstance(result, LookupResult)
    assert result.key == KEY
    assert result.records == (record(11),)
    assert set(result.holders) == {peer(1).node, peer(0).node}
    place = int.from_bytes(KEY, "big")
    assert list(result.closest) == sorted((peer(who).node for who in (0, *ALL)), key=lambda node: node.position ^ place)


def test_statistics() -> None:
    desk = joined()
    desk.receive(peer(1), Store(REALM, 1, (record(11).encoded,)))
    (completed,) = desk.feed(CommandGiven(4, DhtStats()))
    assert completed.result == DhtStatistics(nodes=3, buckets=completed.result.buckets, stored_keys=2)
    assert 1 <= completed.result.buckets <= 3


def test_a_client_that_answers_a_query_by_accident_is_no_holder_for_long() -> None:
    """A node that stopped serving says so when it is repaired, and leaves the routing table."""
    desk = joined()
    find(desk)
    desk.answer(peer(1), records=(record(11).encoded,))
    desk.answer(peer(2))
    desk.answer(peer(3), records=(record(11).encoded,))
    assert repairs(desk, 2) == [record(11)]
    desk.answer(peer(2), code=codes.NOT_SERVING)
    assert desk.dht.stats().nodes == 2


def test_answers_that_come_late_or_to_nobody_are_harmless() -> None:
    desk = joined()
    find(desk)
    desk.receive(peer(1), FindValueReply(123456, (record(11).encoded,), (), False))
    first = [each for each in desk.sent if each.peer == peer(1).node]
    desk.answer(peer(2))
    desk.answer(peer(3))
    answers = desk.tick(desk.now + 2.1)
    assert found(answers) == []
    assert isinstance(first[0].message, FindValue)
    desk.receive(peer(1), FindValueReply(first[0].message.request, (record(11).encoded,), (), False))
    assert WALL + desk.now < record(11).expires
    assert find(desk, max_age=100.0) != [], "the finished lookup stays as it was"
