from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from macula.core.peer_record import PeerInfo
from macula.dht.keyspace import bucket_index, prefixes
from macula.dht.routing import RoutingTable

from .toy import toy_id, toy_info, toy_position

K = 3
OWN = 0


def anybody(info: PeerInfo) -> bool:
    return True


def table(probe_after: float = 60.0) -> RoutingTable:
    return RoutingTable(OWN, k=K, replacements=2, prefix_limit=2, probe_after=probe_after, position=toy_position)


def test_the_oldest_is_probed_before_a_newcomer_takes_its_place() -> None:
    routing = table()
    for at in (128, 129, 130):
        assert routing.seen(toy_info(at), now=0.0).added
    seen = routing.seen(toy_info(131), now=100.0)
    assert not seen.added
    assert seen.probe == toy_info(128)
    assert routing.seen(toy_info(132), now=101.0).probe is None, "one probe at a time"
    assert toy_id(131) not in routing

    routing.remove(toy_id(128))
    assert toy_id(128) not in routing
    assert toy_id(132) in routing, "the newcomer heard of last takes the place"
    assert len(routing) == K


def test_an_oldest_that_answers_stays_and_the_next_is_probed_then() -> None:
    routing = table()
    for at in (128, 129, 130):
        routing.seen(toy_info(at), now=0.0)
    routing.seen(toy_info(131), now=100.0)
    routing.seen(toy_info(128), now=100.1)
    assert [contact.info for contact in routing] == [toy_info(129), toy_info(130), toy_info(128)]
    assert routing.seen(toy_info(131), now=101.0).probe == toy_info(129)


def test_a_contact_heard_of_lately_is_not_probed() -> None:
    routing = table()
    for at in (128, 129, 130):
        routing.seen(toy_info(at), now=50.0)
    assert routing.seen(toy_info(131), now=100.0).probe is None


def test_at_most_two_of_a_public_network_in_a_bucket() -> None:
    routing = table()
    for at in (128, 129, 130):
        routing.seen(toy_info(at, host=f"8.8.8.{at}"), now=0.0)
    assert toy_id(130) not in routing
    assert routing.seen(toy_info(64, host="8.8.8.1"), now=0.0).added, "another bucket is another matter"
    assert routing.seen(toy_info(131, host="8.8.9.1"), now=0.0).added


def test_a_contact_that_moves_into_a_crowded_network_goes() -> None:
    routing = table()
    for at in (128, 129):
        routing.seen(toy_info(at, host=f"8.8.8.{at}"), now=0.0)
    routing.seen(toy_info(130, host="9.9.9.9"), now=0.0)
    routing.renew(toy_info(130, host="8.8.8.8", seq=2))
    assert toy_id(130) not in routing


def test_a_contact_whose_new_record_is_not_reachable_goes() -> None:
    routing = table()
    routing.seen(toy_info(128), now=0.0)
    routing.renew(toy_info(128, seq=2, reachable=False))
    assert len(routing) == 0
    assert routing.indices() == []


def test_an_old_record_does_not_replace_a_newer_one() -> None:
    routing = table()
    routing.seen(toy_info(128, seq=5), now=0.0)
    routing.seen(toy_info(128, seq=4, host="10.9.9.9"), now=1.0)
    assert [contact.info.record.seq for contact in routing] == [5]


def test_the_stalest_of_the_farthest_buckets() -> None:
    routing = table()
    for at, now in ((128, 0.0), (64, 10.0), (1, -5.0)):
        routing.seen(toy_info(at), now=now)
    assert routing.stalest(before=-1.0, most=2) is None
    assert routing.stalest(before=10.0, most=2) == 7
    routing.touch(200, now=20.0)
    assert routing.stalest(before=10.0, most=2) == 6


class TableMachine(RuleBasedStateMachine):
    """Whatever is heard of, renewed and removed: bounds hold, everybody is where they belong, `closest` is right."""

    def __init__(self) -> None:
        super().__init__()
        self.table = table(probe_after=1.0)
        self.now = 0.0

    @rule(at=st.integers(0, 255), net=st.integers(0, 3), seq=st.integers(1, 3), gap=st.floats(0, 5))
    def hear(self, at: int, net: int, seq: int, gap: float) -> None:
        self.now += gap
        before = toy_id(at) in self.table
        seen = self.table.seen(toy_info(at, host=f"8.8.{net}.1", seq=seq), self.now)
        if seen.added:
            assert not before
            assert toy_id(at) in self.table
        if seen.probe:
            assert seen.probe.node in self.table

    @rule(at=st.integers(0, 255), net=st.integers(0, 3), seq=st.integers(1, 4), reachable=st.booleans())
    def renew(self, at: int, net: int, seq: int, reachable: bool) -> None:
        size = len(self.table)
        self.table.renew(toy_info(at, host=f"8.8.{net}.1", seq=seq, reachable=reachable))
        assert len(self.table) <= size

    @rule(at=st.integers(0, 255))
    def remove(self, at: int) -> None:
        waiting = [
            node for index in range(8) for node in self.table.bucket(index).waiting if index == bucket_index(OWN, at)
        ]
        was = toy_id(at) in self.table
        size = len(self.table)
        self.table.remove(toy_id(at))
        assert toy_id(at) not in self.table
        assert len(self.table) == size - was + (was and bool(waiting))

    @rule(place=st.integers(0, 255), count=st.integers(1, 8))
    def find_closest(self, place: int, count: int) -> None:
        everybody = sorted((contact.info for contact in self.table), key=lambda i: toy_position(i.node) ^ place)
        assert self.table.closest(place, count, anybody) == everybody[:count]

    @invariant()
    def bounds_hold(self) -> None:
        size = 0
        for index in range(8):
            bucket = self.table.bucket(index)
            size += len(bucket.contacts)
            members = [*bucket.contacts.values(), *bucket.waiting.values()]
            assert len(bucket.contacts) <= K
            assert len(bucket.waiting) <= 2
            assert not bucket.waiting or len(bucket.contacts) == K
            assert all(bucket_index(OWN, contact.position) == index for contact in members)
            assert len({contact.info.node for contact in members}) == len(members)
            assert bucket.probed is None or bucket.probed in bucket.contacts
            networks = [network for contact in members for network in prefixes(contact.info)]
            assert all(networks.count(network) <= 2 for network in networks)
            seen = [contact.seen for contact in bucket.contacts.values()]
            assert (index in self.table.indices()) == bool(seen)
        assert len(self.table) == size == len(list(self.table))
        assert toy_id(OWN) not in self.table


TableMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
test_table_machine = TableMachine.TestCase
