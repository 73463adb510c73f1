from __future__ import annotations

from macula.core.events import PeerSuspect
from macula.core.requests import PeerDown
from macula.dht.keyspace import position, to_key
from macula.wire.messages import FindNode, FindNodeReply

from .desk import ME, Desk
from .people import peer, person


def targets(desk: Desk) -> list[bytes]:
    return [each.message.target for each in desk.sent if isinstance(each.message, FindNode)]


OWN = to_key(position(person(ME).node_id))


def test_the_first_serving_peer_starts_a_lookup_of_this_nodes_own_position() -> None:
    desk = Desk()
    desk.up(peer(1, reachable=False))
    assert desk.sent == []
    desk.up(peer(2))
    assert targets(desk) == [OWN]
    assert not desk.dht.joined
    desk.answer(peer(2), nodes=(peer(3).record.encoded,))
    assert [each.peer for each in desk.sent] == [peer(3).node]
    assert not desk.dht.joined
    desk.answer(peer(3))
    assert desk.dht.joined
    assert desk.dht.stats().nodes == 2, "the one heard of has answered, and the client is none"


def test_a_contact_that_was_only_heard_of_does_not_enter_the_table() -> None:
    desk = Desk()
    desk.up(peer(2))
    desk.answer(peer(2), nodes=(peer(3).record.encoded,))
    assert desk.dht.stats().nodes == 1


def test_a_join_that_nobody_answers_is_tried_again() -> None:
    desk = Desk(max_failures=3)
    desk.up(peer(1))
    desk.tick(2.5)
    assert not desk.dht.joined
    desk.sent.clear()
    desk.tick(8.9)
    assert OWN in targets(desk)
    desk.answer(peer(1))
    assert desk.dht.joined


def test_buckets_farther_than_the_closest_neighbour_are_refreshed() -> None:
    desk = Desk(k=2)
    people = (1, 2, 3, 4, 5, 6)
    desk.up(peer(1))
    seen: list[bytes] = []
    while desk.sent:
        seen += targets(desk)
        for who in people:
            desk.answer(peer(who), nodes=tuple(peer(each).record.encoded for each in people))
    nearest = min(position(person(who).node_id) ^ position(person(ME).node_id) for who in people)
    own = position(person(ME).node_id)
    distances = [int.from_bytes(each, "big") ^ own for each in dict.fromkeys(seen)]
    buckets = {distance.bit_length() for distance in distances if distance}
    assert buckets >= set(range(nearest.bit_length() + 1, 257))


def test_the_self_lookup_comes_again_every_ten_minutes_with_jitter() -> None:
    desk = Desk(k=3)
    desk.up(peer(1))
    desk.answer(peer(1))
    began = desk.now
    while True:
        desk.tick(desk.now + 1)
        if OWN in targets(desk):
            break
        desk.answer(peer(1), nodes=(peer(1, at=desk.now // 100 * 100).record.encoded,))
    assert 440 < desk.now - began < 760


def test_a_contact_is_asked_for_its_new_record_before_the_known_one_expires() -> None:
    desk = Desk()
    desk.up(peer(1))
    desk.answer(peer(1))
    while to_key(position(peer(1).node)) not in targets(desk):
        desk.answer(peer(1))
        desk.tick(desk.now + 1)
    assert 135 < desk.now < 260
    desk.answer(peer(1), nodes=(peer(1, at=desk.now).record.encoded,))
    desk.receive(peer(2), FindNode("io.test", 1, OWN))
    (reply,) = desk.take(FindNodeReply)
    assert peer(1, at=desk.now).record.encoded in reply[1].nodes


def test_a_contact_that_fails_twice_in_a_row_is_replaced_by_a_waiting_one() -> None:
    """Buckets of one place: the second of two neighbours in a bucket waits, and the first is pinged."""
    own = position(person(ME).node_id)
    far = [who for who in range(1, 30) if (position(person(who).node_id) ^ own).bit_length() == 256]
    first, second = far[:2]
    desk = Desk(k=1, probe_after=5.0)
    desk.up(peer(first))
    for _ in range(20):
        desk.answer(peer(first))
        desk.tick(desk.now + 1)
    assert desk.sent == []
    desk.up(peer(second))
    assert [each.peer for each in desk.sent] == [peer(first).node]
    assert desk.dht.stats().nodes == 1
    desk.tick(22.0)
    assert [each.peer for each in desk.sent] == [peer(first).node] * 2, "asked once more"
    desk.tick(24.1)
    desk.sent.clear()
    desk.receive(peer(50), FindNode("io.test", 1, OWN))
    (reply,) = desk.take(FindNodeReply)
    assert peer(second).record.encoded in reply[1].nodes
    assert peer(first).record.encoded not in reply[1].nodes


def test_a_suspect_or_unreachable_peer_is_not_waited_for() -> None:
    desk = Desk()
    desk.up(peer(1))
    desk.up(peer(2))
    desk.answer(peer(2))
    desk.feed(PeerSuspect(peer(1).node, suspect=True))
    began = desk.now
    desk.sent.clear()
    while not desk.sent:
        desk.tick(desk.now + 0.1)
    assert desk.now - began < 6.5, "the join ended at once, and is tried again after its pause"
    (first,) = [each for each in desk.sent if each.peer == peer(1).node]
    desk.feed_failed(first)
    desk.answer(peer(2))
    assert desk.dht.joined


def test_the_network_is_joined_again_when_it_was_lost() -> None:
    desk = Desk()
    desk.up(peer(1))
    desk.answer(peer(1))
    desk.feed(PeerDown(peer(1).node, "idle", ""))
    desk.tick(1000.0)
    assert desk.dht.stats().nodes == 0, "it answers nothing any more"
    desk.sent.clear()
    desk.up(peer(1, at=1000))
    assert targets(desk) == [OWN]
