from __future__ import annotations

from macula.core.effects import Trace
from macula.core.requests import LearnPeer
from macula.dht.contacts import Contacts
from macula.dht.keyspace import position
from macula.dht.routing import RoutingTable
from macula.dht.settings import DhtSettings
from macula.dht.turn import Turn
from macula.dht.verifier import Verifier

from .people import REALM, WALL, forged, peer, person, record

ME = person(0).node_id
SOURCE = person(99).node_id


def routing_table() -> RoutingTable:
    return RoutingTable(position(ME), k=20, replacements=20, prefix_limit=2, probe_after=60.0)


def contacts(table: RoutingTable | None = None) -> Contacts:
    table = routing_table() if table is None else table
    return Contacts(DhtSettings(), ME, (REALM,), Verifier(100), table)


def test_verified_contacts_are_learned_once_and_usable() -> None:
    known, turn = contacts(), Turn(0.0, WALL)
    encoded = [peer(1).record.encoded, peer(2).record.encoded]
    assert known.read(turn, SOURCE, encoded) == [peer(1), peer(2)]
    assert turn.actions == [LearnPeer(peer(1)), LearnPeer(peer(2))]
    again = Turn(1.0, WALL + 1)
    assert known.read(again, SOURCE, encoded) == [peer(1), peer(2)]
    assert again.actions == []


def test_what_a_lying_peer_hands_out_is_left_out_and_traced_once() -> None:
    known, turn = contacts(), Turn(0.0, WALL)
    lies = [
        forged(peer(1).record.encoded),
        b"nonsense",
        record(2).encoded,
        peer(3, realms=("io.other",)).record.encoded,
        peer(4, at=-300).record.encoded,
        peer(5, at=301).record.encoded,
        peer(0).record.encoded,
        peer(6).record.encoded,
    ]
    assert known.read(turn, SOURCE, lies) == [peer(6)]
    traces = [action for action in turn.actions if isinstance(action, Trace)]
    assert [(trace.name, trace.limit) for trace in traces] == [("dht.contact.refused", str(SOURCE))]


def test_a_known_contact_is_not_usable_any_more_once_it_has_expired() -> None:
    known = contacts()
    known.read(Turn(0.0, WALL), SOURCE, [peer(1).record.encoded])
    assert known.read(Turn(300.0, WALL + 300), SOURCE, [peer(1).record.encoded]) == []


def test_clients_are_learned_but_not_usable() -> None:
    known, turn = contacts(), Turn(0.0, WALL)
    client = peer(1, reachable=False)
    assert known.read(turn, SOURCE, [client.record.encoded]) == []
    assert turn.actions == [LearnPeer(client)]


def test_a_rolled_back_record_does_not_bring_an_old_address_back() -> None:
    table = routing_table()
    known = contacts(table=table)
    old, new = peer(1, at=0), peer(1, at=10, reachable=False)
    table.seen(old, 0.0)
    known.learn(Turn(0.0, WALL), old)
    known.learn(Turn(10.0, WALL + 10), new)
    assert len(table) == 0, "the routing table hears of it"
    turn = Turn(11.0, WALL + 11)
    assert known.read(turn, SOURCE, [old.record.encoded]) == []
    assert known.get(old.node) == new
    assert turn.actions == []


def test_failures_in_a_row_and_for_how_long_they_count() -> None:
    known = contacts()
    assert not known.failed(peer(1), 0.0)
    assert not known.failed(peer(1), 0.5), "the same outage"
    assert known.failed(peer(1), 2.0)
    assert known.is_failing(peer(1).node, 61.9)
    assert not known.is_failing(peer(1).node, 62.0)
    known.answered(peer(1).node)
    assert not known.is_failing(peer(1).node, 3.0)
    assert not known.is_failing(peer(2).node, 3.0)


def test_a_contact_is_doubtful_for_a_while_after_it_named_nodes_in_vain() -> None:
    known = contacts()
    known.learn(Turn(0.0, WALL), peer(1))
    namer = peer(1).node
    for now in (0.0, 0.0, 1.0, 1.0):
        assert not known.is_doubtful(namer, now)
        known.misled(namer, now)
    assert known.is_doubtful(namer, 60.9) and not known.is_doubtful(namer, 61.0)
    for _ in range(3):
        known.misled(namer, 62.0)
    assert not known.is_doubtful(namer, 62.0), "what was long ago does not count"
    known.misled(namer, 62.0)
    assert known.is_doubtful(namer, 62.0)
    known.led(namer)
    assert not known.is_doubtful(namer, 62.0)
    known.misled(peer(2).node, 62.0)
    assert not known.is_doubtful(peer(2).node, 62.0)
