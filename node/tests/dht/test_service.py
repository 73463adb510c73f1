from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from macula.core.events import Consumed, Tick
from macula.core.peer_record import sign_peer
from macula.core.requests import LearnPeer, PeerDown, PeerUp, SendTo
from macula.core.service import Service
from macula.wire.codec import encode
from macula.wire.messages import (
    FindNode,
    FindNodeReply,
    FindValue,
    FindValueReply,
    Hello,
    Message,
    Store,
    StoreReply,
)

from .desk import Desk
from .mesh import REALM, Mesh
from .people import WALL, forged, peer, person, record


def test_it_is_a_service_that_ignores_what_concerns_others() -> None:
    desk = Desk()
    service: Service = desk.dht
    assert service.handle(Consumed(1), 0.0, WALL) == []
    assert service.handle(Tick(), 0.0, WALL) == []


def test_an_idle_node_has_little_to_do() -> None:
    desk = Desk()
    desk.tick(3600.0)
    assert desk.sent == []


def test_every_query_names_the_peer_it_may_have_to_dial() -> None:
    desk = Desk()
    hello = Hello(2, 2, (), (REALM,), peer(1).record.encoded)
    actions = desk.dht.handle(PeerUp(peer(1).node, hello, peer(1), inbound=True), 0.0, WALL)
    assert actions[0] == LearnPeer(peer(1))
    (query,) = [action for action in actions if isinstance(action, SendTo)]
    assert isinstance(query.message, FindNode)
    reply = FindNodeReply(query.message.request, (peer(2).record.encoded,))
    desk.receive(peer(1), reply)
    assert [each.peer for each in desk.sent] == [peer(2).node]


def test_a_query_is_sent_again_when_its_connection_was_replaced() -> None:
    desk = Desk()
    desk.up(peer(1))
    sent = list(desk.sent)
    desk.feed(PeerDown(peer(1).node, "duplicate", ""))
    desk.up(peer(1))
    assert desk.sent == sent * 2


def test_a_peer_whose_record_names_no_realm_of_ours_is_no_contact() -> None:
    desk = Desk(realms=("*",))
    for realms in ((), ("",), ("not a name",)):
        info = sign_peer(person(5), addresses=(), reachable=True, name="", mode="", realms=realms, wall=WALL, ttl=300)
        desk.up(info)
    assert desk.dht.stats().nodes == 0
    assert desk.sent == []


blobs = st.sampled_from(
    [record(who, name).encoded for who in (1, 2) for name in ("a", "b")]
    + [peer(who).record.encoded for who in (0, 1, 2, 3)]
    + [forged(record(3).encoded), b"\xc1", b"", bytes(1025), record(1, "a", at=400).encoded]
)
keys = st.sampled_from([record(1, "a").key, bytes(32), b"\xff" * 32])
many = st.lists(blobs, max_size=6).map(tuple)
requests = st.integers(0, 3)
hostile: st.SearchStrategy[Any] = st.one_of(
    st.builds(FindNode, st.just(REALM), requests, keys),
    st.builds(FindValue, st.just(REALM), requests, keys, st.sampled_from([b"", bytes(32), b"\xff"])),
    st.builds(Store, st.just(REALM), requests, many),
    st.builds(FindNodeReply, requests, many),
    st.builds(FindValueReply, requests, many, many, st.booleans()),
    st.builds(StoreReply, requests, st.lists(st.just("stored"), max_size=5).map(tuple)),
)


@given(st.lists(st.tuples(st.integers(1, 3), hostile, st.floats(0, 5)), max_size=12))
def test_whatever_peers_send_nothing_breaks_and_every_answer_can_be_encoded(
    messages: list[tuple[int, Message, float]],
) -> None:
    """Replies come with the numbers of real queries, so that they reach the lookups."""
    desk = Desk()
    desk.up(peer(1))
    for who, message, wait in messages:
        if isinstance(message, FindNodeReply | FindValueReply | StoreReply) and desk.sent:
            pending = desk.sent[message.request % len(desk.sent)]
            request = getattr(pending.message, "request", 0)
            fields = {name: getattr(message, name) for name in message.__struct_fields__ if name != "request"}
            desk.feed_from(pending.peer, type(message)(request=request, **fields))
        else:
            desk.receive(peer(who), message)
        desk.tick(desk.now + wait)
    for each in desk.sent:
        encode(each.message)


def test_same_seed_same_run() -> None:
    def run() -> tuple[Any, ...]:
        mesh = Mesh(seed=3)
        mesh.build(8)
        stored = [mesh.publish(node, f"p{node.index}") for node in mesh.nodes]
        mesh.run(200.0)
        return stored, dict(mesh.sent), [node.dht.stats() for node in mesh.nodes], mesh.rng.random()

    assert run() == run()
