from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from macula.core.record import Kind, Record, record_key, sign_record
from macula.dht.settings import DhtSettings
from macula.dht.storage import Storage
from macula.dht.verifier import Verifier
from macula.identity import NodeId
from macula.wire import codes

from .people import REALM, WALL, forged, person, record

KEY = record_key(REALM, Kind.RPC, "add")
STORER = person(90).node_id
VERIFIER = Verifier(100_000)


def storage(**changes: Any) -> Storage:
    return Storage(DhtSettings(**changes), VERIFIER)


def test_a_good_record_is_kept_and_found() -> None:
    kept = storage()
    assert kept.offer(record(1).encoded, STORER, REALM, WALL) == codes.STORED
    assert kept.records(KEY, WALL) == [record(1)]
    assert kept.records(bytes(32), WALL) == []
    assert len(kept) == 1


def test_same_lower_and_higher_sequences() -> None:
    kept = storage()
    old, new = record(1, at=0), record(1, at=1, value=2)
    assert kept.offer(new.encoded, STORER, REALM, WALL + 1) == codes.STORED
    assert kept.offer(new.encoded, STORER, REALM, WALL + 1) == codes.UNCHANGED
    assert kept.offer(old.encoded, STORER, REALM, WALL + 1) == codes.STALE
    assert kept.records(KEY, WALL + 1) == [new]


def test_a_tombstone_keeps_the_old_record_out_until_it_expires() -> None:
    kept = storage()
    gone = record(1, at=1, value=None)
    kept.offer(record(1).encoded, STORER, REALM, WALL)
    assert kept.offer(gone.encoded, STORER, REALM, WALL + 1) == codes.STORED
    assert kept.offer(record(1).encoded, STORER, REALM, WALL + 2) == codes.STALE
    assert kept.records(KEY, WALL + 300) == [gone]
    assert kept.offer(record(1).encoded, STORER, REALM, WALL + 302) == codes.EXPIRED
    assert len(kept) == 0


def test_keys_with_tombstones_only_are_not_live() -> None:
    kept = storage()
    kept.offer(record(1, value=None).encoded, STORER, REALM, WALL)
    assert kept.live_keys == set()
    for who, name in ((2, "add"), (3, "add"), (2, "sub")):
        kept.offer(record(who, name).encoded, STORER, REALM, WALL)
    assert kept.live_keys == {KEY, record_key(REALM, Kind.RPC, "sub")}


@pytest.mark.parametrize(
    ("encoded", "code"),
    [
        (forged(record(1).encoded), codes.BAD_SIGNATURE),
        (b"", codes.BAD_FRAME),
        (b"\x92\xc4\x01a\xc4\x01b", codes.BAD_MESSAGE),
        (b"\x93\x01\x02\x03", codes.BAD_MESSAGE),
        (bytes(1025), codes.TOO_LARGE),
        (record(1, ttl=86401).encoded, codes.BAD_TTL),
        (record(1, at=301).encoded, codes.NOT_YET_VALID),
        (record(1, at=-300).encoded, codes.EXPIRED),
        (record(1, realm="io.other").encoded, codes.BAD_KEY),
        (
            sign_record(person(1), "", Kind.PEER, str(person(2).node_id), {}, wall=WALL, ttl=300).encoded,
            codes.BAD_KEY,
        ),
    ],
)
def test_what_is_refused(encoded: bytes, code: str) -> None:
    kept = storage()
    assert kept.offer(encoded, STORER, REALM, WALL) == code
    assert len(kept) == 0


def test_a_clock_that_is_ahead_does_not_lengthen_the_life() -> None:
    kept = storage()
    assert kept.offer(record(1, at=299).encoded, STORER, REALM, WALL) == codes.STORED
    assert len(kept.records(KEY, WALL + 299)) == 1
    assert kept.records(KEY, WALL + 300) == []


def test_quotas_and_that_a_renewal_needs_none() -> None:
    kept = storage(publisher_quota=2, storer_quota=3, total_quota=4)
    other = person(91).node_id
    assert kept.offer(record(1, "a").encoded, STORER, REALM, WALL) == codes.STORED
    assert kept.offer(record(1, "b").encoded, STORER, REALM, WALL) == codes.STORED
    assert kept.offer(record(1, "c").encoded, STORER, REALM, WALL) == codes.QUOTA, "publisher"
    assert kept.offer(record(2, "a").encoded, STORER, REALM, WALL) == codes.STORED
    assert kept.offer(record(3, "a").encoded, STORER, REALM, WALL) == codes.QUOTA, "storer"
    assert kept.offer(record(3, "a").encoded, other, REALM, WALL) == codes.STORED
    assert kept.offer(record(4, "a").encoded, STORER, REALM, WALL) == codes.QUOTA, "total"
    assert kept.offer(record(1, "a", at=1, value=None).encoded, STORER, REALM, WALL + 1) == codes.STORED
    assert kept.offer(record(4, "a", at=300).encoded, other, REALM, WALL + 300) == codes.STORED, "expiry frees"


def test_when_all_is_full_who_brought_most_gives_way_to_who_brought_less() -> None:
    kept = storage(storer_quota=100, total_quota=6)
    liars = [person(80 + number).node_id for number in range(2)]
    for number in range(6):
        assert kept.offer(record(number).encoded, liars[number % 2], REALM, WALL) == codes.STORED
    assert kept.offer(record(10).encoded, STORER, REALM, WALL) == codes.STORED
    assert kept.offer(record(11).encoded, STORER, REALM, WALL) == codes.STORED
    assert kept.offer(record(12).encoded, STORER, REALM, WALL) == codes.QUOTA, "all have two, of six"
    assert kept.offer(record(13).encoded, liars[0], REALM, WALL) == codes.QUOTA
    nodes = {each.node for each in kept.records(KEY, WALL)}
    assert nodes == {person(number).node_id for number in (0, 1, 2, 3, 10, 11)}, "the newest of the others went"


def test_pages_in_the_order_of_node_ids() -> None:
    kept = storage()
    for who in range(7):
        kept.offer(record(who).encoded, STORER, REALM, WALL)
    everything = kept.records(KEY, WALL)
    assert [each.node for each in everything] == sorted(person(who).node_id for who in range(7))
    paged: list[Record] = []
    after, more = b"", True
    while more:
        page, more = kept.page(KEY, after, WALL, 3)
        paged += page
        after = page[-1].node
    assert paged == everything


def test_expiry_comes_by_itself() -> None:
    kept = storage()
    assert kept.next_expiry() is None
    kept.offer(record(1, ttl=10).encoded, STORER, REALM, WALL)
    kept.offer(record(2, ttl=20).encoded, STORER, REALM, WALL)
    assert kept.next_expiry() == WALL + 10
    assert kept.expire(WALL + 9.9) == 0
    assert kept.expire(WALL + 10) == 1
    assert kept.next_expiry() == WALL + 20
    assert len(kept) == 1


class StorageMachine(RuleBasedStateMachine):
    """Whatever is offered when: never a lower sequence, never over a quota, nothing after its expiry."""

    def __init__(self) -> None:
        super().__init__()
        self.storage = storage(publisher_quota=3, storer_quota=4, total_quota=6)
        self.wall = WALL
        self.best: dict[tuple[bytes, NodeId], Record] = {}
        self.storer: dict[tuple[bytes, NodeId], NodeId] = {}
        self.until: dict[tuple[bytes, NodeId], float] = {}

    @rule(
        who=st.integers(0, 3),
        name=st.sampled_from("abc"),
        age=st.integers(-3, 12),
        ttl=st.sampled_from((5, 10)),
        storer=st.integers(0, 1),
        gone=st.booleans(),
    )
    def offer(self, who: int, name: str, age: int, ttl: int, storer: int, gone: bool) -> None:
        offered = record(who, name, at=self.wall - WALL - age, ttl=ttl, value=None if gone else 1)
        self._forget_expired()
        code = self.storage.offer(offered.encoded, person(90 + storer).node_id, REALM, self.wall)
        where = (offered.key, offered.node)
        best = self.best.get(where)
        if offered.expires <= self.wall:
            assert code == codes.EXPIRED
        elif best is not None:
            expected = (
                codes.UNCHANGED if offered.seq == best.seq else codes.STALE if offered.seq < best.seq else codes.STORED
            )
            assert code == expected
        else:
            assert code == (codes.STORED if self._has_room(offered.node, person(90 + storer).node_id) else codes.QUOTA)
        if code == codes.STORED:
            self.best[where] = offered
            self.until[where] = min(offered.expires, self.wall + ttl)
            self.storer.setdefault(where, person(90 + storer).node_id)

    @rule(seconds=st.integers(1, 8))
    def wait(self, seconds: int) -> None:
        self.wall += seconds

    @rule()
    def expire(self) -> None:
        self.storage.expire(self.wall)
        due = self.storage.next_expiry()
        assert due is None or due > self.wall

    @invariant()
    def keeps_exactly_what_it_should(self) -> None:
        self._forget_expired()
        for name in "abc":
            key = record_key(REALM, Kind.RPC, name)
            expected = sorted((kept for where, kept in self.best.items() if where[0] == key), key=lambda r: r.node)
            assert self.storage.records(key, self.wall) == expected
        assert len(self.storage) == len(self.best)

    def _has_room(self, publisher: NodeId, storer: NodeId) -> bool:
        """Whether there is, or one record of the other storer makes some."""
        brought = Counter(self.storer.values())
        if Counter(node for _, node in self.best)[publisher] == 3 or brought[storer] == 4:
            return False
        if len(self.best) < 6:
            return True
        heaviest, most = brought.most_common(1)[0]
        if most <= brought[storer] + 1:
            return False
        newest = [where for where, who in self.storer.items() if who == heaviest][-1]
        del self.best[newest], self.storer[newest], self.until[newest]
        return True

    def _forget_expired(self) -> None:
        for where, until in list(self.until.items()):
            if until <= self.wall:
                del self.best[where], self.storer[where], self.until[where]


StorageMachine.TestCase.settings = settings(max_examples=50, stateful_step_count=40)
test_storage_machine = StorageMachine.TestCase
