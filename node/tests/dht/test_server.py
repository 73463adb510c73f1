from __future__ import annotations

from macula.core.record import Kind, open_record, record_key
from macula.core.requests import PublishRecord, Received
from macula.dht.keyspace import to_key
from macula.runtime.telemetry import EVENTS
from macula.wire import codes
from macula.wire.messages import FindNode, FindNodeReply, FindValue, FindValueReply, Store, StoreReply

from .desk import ME, Desk
from .people import REALM, forged, peer, person, record

KEY = record_key(REALM, Kind.RPC, "add")


def reply(desk: Desk, kind: type[FindNodeReply]) -> FindNodeReply:
    ((_, message),) = desk.take(kind)
    return message


def stored(desk: Desk, *records: bytes, by: int = 1, realm: str = REALM) -> tuple[str, ...]:
    desk.receive(peer(by), Store(realm, 7, records))
    ((_, message),) = desk.take(StoreReply)
    assert message.request == 7
    return message.results


def value(desk: Desk, key: bytes = KEY, after: bytes = b"", realm: str = REALM) -> FindValueReply:
    desk.receive(peer(1), FindValue(realm, 8, key, after))
    ((_, message),) = desk.take(FindValueReply)
    return message


def test_contacts_are_the_closest_alive_ones_and_the_answerer_itself() -> None:
    desk = Desk()
    for who in (1, 2, 3):
        desk.up(peer(who))
    desk.up(peer(4, reachable=False))
    target = person(2).node_id.position
    desk.receive(peer(1), FindNode(REALM, 5, to_key(target)))
    nodes = reply(desk, FindNodeReply).nodes
    expected = sorted((2, 3), key=lambda who: person(who).node_id.position ^ target)
    assert nodes == tuple(peer(who).record.encoded for who in (*expected, ME))

    desk.now = 300.0
    desk.receive(peer(1), FindNode(REALM, 5, to_key(target)))
    assert reply(desk, FindNodeReply).nodes == (peer(ME).record.encoded,), "expired ones are not handed on"


def test_contacts_that_the_asker_knows_are_only_named() -> None:
    desk = Desk()
    for who in (1, 2, 3):
        desk.up(peer(who))
    known, other = peer(2).record, peer(9).record
    desk.receive(peer(1), FindNode(REALM, 5, bytes(32), (known.tag, other.tag)))
    answer = reply(desk, FindNodeReply)
    assert set(answer.nodes) == {peer(3).record.encoded, peer(ME).record.encoded}
    assert answer.known == (known.tag,), "what does not belong to the answer is not named"

    desk.receive(peer(1), FindValue(REALM, 6, KEY, b"", (peer(ME).record.tag,)))
    ((_, found),) = desk.take(FindValueReply)
    assert peer(ME).record.encoded not in found.nodes
    assert found.known == (peer(ME).record.tag,)


def test_who_knows_an_old_record_gets_the_new_one() -> None:
    desk = Desk()
    new = peer(2, at=10)
    desk.up(new)
    desk.receive(peer(1), FindNode(REALM, 5, bytes(32), (peer(2).record.tag,)))
    assert new.record.encoded in reply(desk, FindNodeReply).nodes


def test_contacts_of_the_asked_realm_only() -> None:
    desk = Desk(realms=("*",))
    desk.up(peer(1))
    desk.up(peer(2, realms=("io.other",)))
    desk.up(peer(3, realms=("*",)))
    desk.receive(peer(3, realms=("*",)), FindNode("io.other", 5, bytes(32)))
    own = peer(ME, realms=("*",)).record.encoded
    assert reply(desk, FindNodeReply).nodes == (peer(2, realms=("io.other",)).record.encoded, own)


def test_a_node_that_is_not_reachable_serves_nothing() -> None:
    desk = Desk(reachable=False)
    desk.up(peer(2))
    desk.receive(peer(1), FindNode(REALM, 5, bytes(32)))
    assert reply(desk, FindNodeReply).nodes == ()
    assert stored(desk, record(1).encoded, record(2).encoded) == (codes.NOT_SERVING, codes.NOT_SERVING)
    assert value(desk) == FindValueReply(8, (), (), False)


def test_store_answers_each_record_in_order_and_traces_forgers() -> None:
    desk = Desk()
    results = stored(desk, record(1).encoded, forged(record(2).encoded), record(1).encoded, b"\xc1")
    assert results == (codes.STORED, codes.BAD_SIGNATURE, codes.UNCHANGED, codes.BAD_FRAME)
    assert {(trace.name, trace.limit) for trace in desk.traces} == {("dht.record.refused", str(peer(1).node))}
    assert value(desk).records == (record(1).encoded,)


def test_a_record_of_another_realm_than_the_frame_is_neither_kept_nor_given() -> None:
    desk = Desk(realms=("*",))
    other = record(1, realm="io.other")
    assert stored(desk, other.encoded) == (codes.BAD_KEY,)
    assert stored(desk, other.encoded, realm="io.other") == (codes.STORED,)
    assert value(desk, other.key, realm=REALM).records == ()
    assert value(desk, other.key, realm="io.other").records == (other.encoded,)


def test_pages_with_this_nodes_own_record_in_its_place() -> None:
    desk = Desk(page_size=3)
    for who in range(1, 8):
        assert stored(desk, record(who).encoded) == (codes.STORED,)
    desk.feed(PublishRecord(1, REALM, Kind.RPC, "add", 5))
    paged: list[bytes] = []
    after, more = b"", True
    while more:
        page = value(desk, after=after)
        assert len(page.records) <= 3
        assert bool(page.nodes) == (after == b""), "contacts come with the first page"
        paged += page.records
        more = page.more
        after = open_record(paged[-1]).node
    assert [open_record(each).node for each in paged] == sorted(person(who).node_id for who in range(8))


def test_records_expire_by_the_timer() -> None:
    desk = Desk()
    stored(desk, record(1, ttl=10).encoded)
    before = desk.dht.stats().stored_keys
    desk.tick(9.9)
    assert desk.dht.stats().stored_keys == before
    desk.tick(10.1)
    assert desk.dht.stats().stored_keys == before - 1


def test_a_peer_that_stores_its_own_newer_record_becomes_a_contact() -> None:
    desk = Desk()
    desk.up(peer(1, reachable=False))
    assert desk.dht.stats().nodes == 0
    desk.now = 20.0
    renewed = peer(1, at=20)
    assert stored(desk, renewed.record.encoded, by=2) == (codes.STORED,), "brought by somebody else"
    assert desk.dht.stats().nodes == 0
    assert stored(desk, peer(1, at=19).record.encoded) == (codes.STALE,)
    newest = peer(1, at=21)
    desk.now = 21.0
    assert stored(desk, newest.record.encoded) == (codes.STORED,)
    assert desk.dht.stats().nodes == 1


def test_the_dht_does_not_answer_through_envelopes() -> None:
    desk = Desk()
    desk.feed(Received(peer(1).node, FindNode(REALM, 5, bytes(32)), hops=(peer(2).node,)))
    assert desk.sent == []
    assert [trace.name for trace in desk.traces] == ["dht.message.refused"]


def test_a_record_for_which_there_is_no_room_is_told_as_telemetry_promises() -> None:
    desk = Desk(storer_quota=1, publisher_quota=1)
    assert stored(desk, record(2).encoded, record(3).encoded) == (codes.STORED, codes.QUOTA)
    (trace,) = [trace for trace in desk.traces if trace.name == "dht.record.over_quota"]
    assert trace.fields == {"peer": person(1).node_id}
    assert set(trace.fields) == set(EVENTS[trace.name].metadata)
    assert trace.limit is not None, "whoever brings many writes one line"
