from __future__ import annotations

from macula.core.record import Kind
from macula.core.requests import PublishRecord, RecordStored
from macula.wire.messages import Store, StoreReply

from .people import REALM, peer
from .test_publisher import joined, run_to_stores


def test_a_reply_with_the_wrong_number_of_results_counts_for_nothing_and_is_traced() -> None:
    desk = joined()
    desk.feed(PublishRecord(7, REALM, Kind.RPC, "add", 1))
    run_to_stores(desk)
    (query,) = [each.message for each in desk.sent if each.peer == peer(1).node]
    assert isinstance(query, Store)
    desk.answer(peer(2))
    desk.answer(peer(3))
    assert desk.receive(peer(1), StoreReply(query.request, ("stored", "stored"))) == [RecordStored(7, 2)]
    assert "dht.store.malformed" in [trace.name for trace in desk.traces]


def test_batches_are_bounded() -> None:
    desk = joined(store_batch=4)
    for number in range(10):
        desk.feed(PublishRecord(number, REALM, Kind.RPC, f"p{number}", 1))
    run_to_stores(desk)
    messages = [each.message for each in desk.sent if each.peer == peer(1).node]
    assert sorted(len(each.records) for each in messages if isinstance(each, Store)) == [2, 4, 4]
