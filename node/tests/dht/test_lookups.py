from __future__ import annotations

from macula.core.address import Address
from macula.core.peer_record import PeerInfo, sign_peer
from macula.core.record import Kind
from macula.core.requests import FindRecords, RecordsFound
from macula.identity import NodeId
from macula.wire.messages import FindNode, FindValue

from .desk import Desk
from .people import REALM, WALL, forged, peer, person, record
from .test_publisher import ALL, joined, settle


def find(desk: Desk, name: str, token: int = 1) -> list[RecordsFound]:
    return desk.feed(FindRecords(token, REALM, Kind.RPC, name, 0.0))


def test_lookups_over_the_limit_wait_their_turn() -> None:
    desk = joined(max_lookups=2)
    for token, name in enumerate(("a", "b", "c")):
        assert find(desk, name, token) == []
    assert len({each.message.key for each in desk.sent if isinstance(each.message, FindValue)}) == 2
    answered: list[RecordsFound] = []
    while desk.sent:
        for who in ALL:
            answered += desk.answer(peer(who))
    assert [each.token for each in answered] == [0, 1, 2]


def test_over_the_bound_of_waiting_ones_a_lookup_ends_at_once() -> None:
    desk = joined(max_lookups=1, max_waiting_lookups=1)
    assert find(desk, "a", 0) == []
    (refused,) = find(desk, "b", 1) + find(desk, "c", 2)
    assert refused.records == ()
    assert "dht.lookup.refused" in [trace.name for trace in desk.traces]


def test_many_waiting_lookups_without_anybody_to_ask_all_end() -> None:
    desk = joined(max_lookups=1)
    find(desk, "first", 0)
    for token in range(1, 900):
        assert find(desk, f"n{token}", token) == []
    for each in list(desk.sent):
        desk.feed_failed(each)
    answers = desk.tick(desk.now + 40)
    assert len({answer.token for answer in answers}) >= 899


def test_a_lookup_ends_with_what_it_has_when_it_takes_too_long() -> None:
    desk = joined(lookup_timeout=1.0)
    find(desk, "a")
    desk.answer(peer(1), records=(record(11, "a").encoded,))
    (found,) = desk.tick(1.5)
    assert found.records == (record(11, "a"),)


def test_contacts_of_an_answer_are_asked_once_verified() -> None:
    desk = joined()
    find(desk, "a")
    desk.answer(peer(1), nodes=(peer(4).record.encoded, forged(peer(5).record.encoded), peer(1).record.encoded))
    assert [each.peer for each in desk.sent if each.peer == peer(4).node] == [peer(4).node]
    assert not [each for each in desk.sent if each.peer == peer(5).node]


def test_a_query_says_whose_records_are_known() -> None:
    desk = joined()
    find(desk, "a")
    tags = {peer(who).record.tag for who in ALL}
    assert [set(each.message.known) for each in desk.sent if isinstance(each.message, FindValue)] == [tags] * len(ALL)
    desk.answer(peer(1), nodes=(peer(4).record.encoded,))
    (asked,) = (each.message for each in desk.sent if each.peer == peer(4).node)
    assert isinstance(asked, FindValue)
    assert set(asked.known) == tags | {peer(4).record.tag}


def test_what_an_answer_names_as_known_must_have_been_known() -> None:
    desk = joined()
    find(desk, "a")
    strangers = (peer(4).record.tag, bytes(8))
    for who in ALL:
        desk.answer(peer(who), known=strangers)
    assert not desk.sent, "nobody is asked for what nobody has sent"


def test_others_are_asked_meanwhile_if_one_that_was_met_stalls_but_not_if_it_was_only_named() -> None:
    desk = joined(alpha=1)
    find(desk, "a")
    (met,) = {each.peer for each in desk.sent}
    desk.tick(desk.now + 0.6)
    first, second = (each.peer for each in desk.sent)
    assert first == met and second != met

    named = Desk(alpha=1)
    named.up(peer(1))
    settle(named)
    named.sent.clear()
    find(named, "a")
    named.answer(peer(1), nodes=(peer(4).record.encoded, peer(5).record.encoded))
    named.tick(named.now + 1.9)
    assert len(named.sent) == 1


def test_a_value_is_asked_only_of_nodes_that_serve_its_realm() -> None:
    desk = Desk(realms=("*",))
    desk.up(peer(1))
    desk.up(peer(2, realms=("io.other",)))
    for who in (peer(1), peer(2, realms=("io.other",))):
        desk.answer(who)
    desk.sent.clear()
    find(desk, "a")
    assert {each.peer for each in desk.sent if isinstance(each.message, FindValue)} == {peer(1).node}


def at(host: str, *numbers: int) -> list[PeerInfo]:
    """Records of nodes that say that they are at this host, signed by themselves."""
    return [
        sign_peer(
            person(number),
            addresses=(Address(host, 9000 + number),),
            reachable=True,
            name="x",
            mode="edge",
            realms=(REALM,),
            wall=WALL,
            ttl=300,
        )
        for number in numbers
    ]


def test_a_host_where_nobody_answered_is_not_dialed_again_by_this_lookup_except_for_who_is_connected() -> None:
    desk = joined(alpha=2, max_silent=2, lookup_queries=1000)
    invented, connected = at("10.9.9.9", *range(100, 119)), at("10.9.9.9", 150)[0]
    desk.up(connected)
    desk.take(FindNode)
    nodes = tuple(info.record.encoded for info in [*invented, connected])
    sound = {info.node: info for info in [*map(peer, ALL), connected]}
    answers, asked = find(desk, "a"), dict[NodeId, None]()
    while desk.sent:
        sent = desk.sent[0]
        asked[sent.peer] = None
        answers += desk.answer(sound[sent.peer], nodes=nodes) if sent.peer in sound else desk.feed_failed(sent)
    assert len(answers) == 1 and connected.node in asked
    assert 2 <= len(asked.keys() & {info.node for info in invented}) <= 3
