from __future__ import annotations

from macula.core.record import Kind, record_key
from macula.dht.findings import Findings

from .people import REALM, WALL, person, record

KEY = record_key(REALM, Kind.RPC, "add")
A, B, C = (person(number).node_id for number in (11, 12, 13))


def findings(most: int = 100) -> Findings:
    return Findings(KEY, most)


def test_the_highest_sequence_of_each_node_wins() -> None:
    found = findings()
    old, new = record(1, at=0), record(1, at=5, value=2)
    for holder, each in ((A, old), (B, new), (C, old)):
        assert found.add(each, holder)
    found.add(record(2), A)
    assert found.live(WALL + 10) == tuple(sorted((new, record(2)), key=lambda r: r.node))
    assert found.holders() == (A, B, C)


def test_a_tombstone_hides_the_record_and_expired_ones_do_not_count() -> None:
    found = findings()
    found.add(record(1), A)
    found.add(record(1, at=1, value=None), B)
    found.add(record(2), A)
    assert [each.node for each in found.live(WALL + 10)] == [person(2).node_id]
    assert found.live(WALL + 300) == ()


def test_a_record_under_a_key_that_is_not_its_own_is_not_taken() -> None:
    found = findings()
    assert not found.add(record(1, "subtract"), A)
    assert found.records() == []
    assert found.holders() == ()


def test_stale_and_missing_holders_are_repaired() -> None:
    found = findings()
    old, new = record(1), record(1, at=5, value=2)
    found.add(old, A)
    found.add(new, B)
    found.completed(A)
    found.completed(B)
    found.completed(C)
    assert found.repairs(A, WALL + 10, 10) == [new]
    assert found.repairs(B, WALL + 10, 10) == []
    assert found.repairs(C, WALL + 10, 10) == [new]
    assert found.repairs(C, WALL + 310, 10) == []


def test_who_has_more_pages_is_not_repaired() -> None:
    found = findings()
    found.add(record(1), A)
    assert found.repairs(B, WALL, 10) == []


def test_a_tombstone_goes_only_where_an_old_record_stands() -> None:
    found = findings()
    gone = record(1, at=5, value=None)
    found.add(record(1), A)
    found.add(gone, B)
    found.completed(A)
    found.completed(C)
    assert found.repairs(A, WALL + 10, 10) == [gone]
    assert found.repairs(C, WALL + 10, 10) == []


def test_records_and_repairs_are_bounded() -> None:
    found = findings(most=5)
    for who in range(10):
        assert found.add(record(who), A)
    found.completed(B)
    assert len(found.records()) == 5
    assert len(found.repairs(B, WALL, 3)) == 3
