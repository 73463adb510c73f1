from __future__ import annotations

from collections.abc import Callable

from macula.core.peer_record import PeerInfo
from macula.core.record import Kind, record_key
from macula.core.requests import RecordsFound
from macula.dht.keyspace import key_position
from macula.identity import NodeId
from macula.wire.messages import FindValue

from .desk import Desk
from .people import REALM, peer
from .test_lookups import find
from .test_publisher import ALL, joined, settle

LIAR = peer(1)
INVENTED = [peer(number) for number in range(100, 119)]
"""At a host each."""

MOST = 4 + 3 - 1
"""Those after which somebody is doubted, and those that are asked at the same time as the last of them."""

Answers = dict[NodeId, list[PeerInfo]]


def look(desk: Desk, name: str, names: Answers, is_there: Callable[[PeerInfo], bool] = lambda _: False) -> set[NodeId]:
    """Whom a lookup asks to its end, if these name these and of all others but ALL only those answer that are there."""
    sound = {info.node: info for info in [*map(peer, ALL), *INVENTED] if info not in INVENTED or is_there(info)}
    asked: set[NodeId] = set()
    ended: list[RecordsFound] = find(desk, name)
    while desk.sent:
        sent = desk.sent[0]
        asked.add(sent.peer)
        if sent.peer in sound:
            told = [info.record for info in names.get(sent.peer, ())]
            known = sent.message.known if isinstance(sent.message, FindValue) else ()
            nodes = tuple(record.encoded for record in told if record.tag not in known)
            tags = tuple(record.tag for record in told if record.tag in known)
            ended += desk.answer(sound[sent.peer], nodes=nodes, known=tags)
        else:
            desk.now += 2.0
            ended += desk.feed_failed(sent)
    assert len(ended) == 1
    return asked


def invented(asked: set[NodeId]) -> int:
    return len(asked & {info.node for info in INVENTED})


def test_what_somebody_names_who_named_nodes_in_vain_is_not_asked_while_there_are_others() -> None:
    desk = joined()
    lies = {LIAR.node: INVENTED}
    assert invented(look(desk, "a", lies)) == MOST
    asked = look(desk, "b", lies)
    assert invented(asked) == 0 and asked >= {peer(who).node for who in ALL}, "the liar, too, is asked what it has"
    assert [trace.fields["failures"] for trace in desk.traces if trace.name == "dht.lookup.stop"][-1] == 0


def test_it_is_believed_again_after_a_while() -> None:
    desk = joined(max_failures=100)
    lies = {LIAR.node: INVENTED}
    look(desk, "a", lies)
    desk.tick(desk.now + 61)
    settle(desk)
    desk.sent.clear()
    assert invented(look(desk, "b", lies)) == MOST


def test_the_only_one_there_is_is_believed_whatever_it_named_before() -> None:
    desk = Desk()
    desk.up(LIAR)
    settle(desk)
    asked = look(desk, "a", {LIAR.node: INVENTED})
    assert asked == {LIAR.node} | {info.node for info in INVENTED}


def test_what_a_better_one_names_as_well_is_asked() -> None:
    desk = joined()
    look(desk, "a", {LIAR.node: INVENTED[:5]})
    alive, other = INVENTED[5:10], peer(2).node
    asked = look(desk, "b", {LIAR.node: alive, other: alive[:2]}, lambda info: info in alive)
    assert asked & {info.node for info in alive} == {info.node for info in alive[:2]}


def test_what_a_better_one_names_as_known_is_asked() -> None:
    desk = joined(alpha=1)
    look(desk, "a", {LIAR.node: INVENTED[:5]})
    alive = INVENTED[5:10]
    better = {peer(who).node: alive[:2] for who in ALL[1:]}
    asked = look(desk, nearest_to(LIAR), {LIAR.node: alive} | better, lambda info: info in alive)
    assert asked & {info.node for info in alive} == {info.node for info in alive[:2]}


def nearest_to(info: PeerInfo) -> str:
    """A name at whose key this one is the first of ALL to be asked."""
    for name in map(str, range(100)):
        key = key_position(record_key(REALM, Kind.RPC, name))
        if min(map(peer, ALL), key=lambda one: one.node.position ^ key) == info:
            return name
    raise AssertionError


def test_who_now_and_then_names_a_node_that_answers_is_not_doubted() -> None:
    desk = joined()
    dead = INVENTED[::4]
    asked = look(desk, "a", {LIAR.node: INVENTED}, lambda info: info not in dead)
    assert len(dead) == 5 and asked >= {info.node for info in INVENTED}


def test_nodes_that_this_one_has_met_need_nobody_to_stand_for_them() -> None:
    desk = joined()
    look(desk, "a", {LIAR.node: INVENTED[:5]})
    met = INVENTED[5]
    desk.up(met)
    settle(desk)
    desk.sent.clear()
    asked = look(desk, "b", {LIAR.node: [met]}, lambda info: info == met)
    assert met.node in asked
