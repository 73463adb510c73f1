"""Single flight: one attempt for each peer, however many messages wait for it."""

from __future__ import annotations

from itertools import count

from msgspec.structs import replace

from macula.core.effects import Dial, Trace
from macula.core.events import UNREACHABLE, DialFailed
from macula.core.lanes import Lane
from macula.core.mode import PathPolicy
from macula.core.peer_record import PeerInfo, RelayPlace
from macula.core.requests import FindPeer, LearnAddress, ReachVia, RelaysReady, Route, SendFailed, SendTo
from macula.engine.dialer import Dialer
from macula.engine.settings import PoolSettings
from macula.wire import codes
from macula.wire.messages import Call, Ping

from .playbook import WALL, address, dht_send, node, peer_info, send, story


def make(**pool: object) -> Dialer:
    return Dialer(PoolSettings(**pool), count(1000))  # type: ignore[arg-type]


def knowing(*indexes: int, **pool: object) -> Dialer:
    dialer = make(**pool)
    for index in indexes:
        dialer.learn(peer_info(index))
    return dialer


def test_many_messages_one_dial_and_their_order_is_kept() -> None:
    dialer = knowing(1)
    first, *others = (send(1, number) for number in range(1, 101))
    assert dialer.send(first, 0.0) == [Dial(1000, (address(1),), node(1), 3.0)]
    assert [dialer.send(request, 0.1) for request in others] == [[]] * 99
    dialer.answered(1000)
    assert dialer.connected(node(1)) == [first, *others]
    assert dialer.connected(node(1)) == []


def test_two_peers_are_dialed_side_by_side() -> None:
    dialer = knowing(1, 2)
    assert dialer.send(send(1, 1), 0.0) == [Dial(1000, (address(1),), node(1), 3.0)]
    assert dialer.send(send(2, 2), 0.0) == [Dial(1001, (address(2),), node(2), 3.0)]


def test_the_1025th_waiting_message_is_refused_as_busy() -> None:
    dialer = knowing(1)
    for number in range(1, 1025):
        dialer.send(send(1, number), 0.0)
    (failed,) = dialer.send(send(1, 1025), 0.0)
    assert isinstance(failed, SendFailed)
    assert (failed.token, failed.peer, failed.code) == (1025, node(1), "busy")
    assert len(dialer.connected(node(1))) == 1024


def test_without_an_address_the_dht_is_asked_and_its_answer_dialed() -> None:
    dialer = make()
    assert dialer.send(send(1, 1), 0.0) == [FindPeer(1000, node(1))]
    assert dialer.found(1000, peer_info(1), 0.5) == [Dial(1001, (address(1),), node(1), 3.0)]


def test_nobody_knows_the_peer() -> None:
    dialer = make()
    dialer.send(send(1, 1), 0.0)
    dialer.send(send(1, 2), 0.0)
    assert dialer.found(1000, None, 0.5) == [
        SendFailed(1, node(1), "disconnected", "no peer record found"),
        SendFailed(2, node(1), "disconnected", "no peer record found"),
    ]


def test_a_failed_dial_searches_and_dials_the_new_address() -> None:
    dialer = knowing(1)
    dialer.send(send(1, 1), 0.0)
    assert dialer.dial_failed(DialFailed(1000, UNREACHABLE, "no answer"), 3.0) == [FindPeer(1001, node(1))]
    moved = peer_info(1, at=address(99), wall=WALL + 1)
    dialer.learn(moved)
    assert dialer.found(1001, moved, 3.5) == [Dial(1002, (address(99),), node(1), 3.0)]
    dialer.answered(1002)
    assert dialer.connected(node(1)) == [send(1, 1)]


def test_a_second_failure_falls_back_to_an_envelope() -> None:
    dialer = knowing(1)
    dialer.send(send(1, 1), 0.0)
    dialer.dial_failed(DialFailed(1000, UNREACHABLE, "no answer"), 3.0)
    moved = peer_info(1, at=address(99), wall=WALL + 1)
    dialer.learn(moved)
    dialer.found(1001, moved, 3.5)
    assert dialer.dial_failed(DialFailed(1002, UNREACHABLE, "no answer"), 6.5) == [Route(moved, send(1, 1).message, 1)]


def test_the_same_address_again_is_not_dialed_twice() -> None:
    dialer = knowing(1)
    dialer.send(send(1, 1), 0.0)
    dialer.dial_failed(DialFailed(1000, UNREACHABLE, "no answer"), 3.0)
    assert dialer.found(1001, peer_info(1), 3.5) == [Route(peer_info(1), send(1, 1).message, 1)]


def test_a_message_of_the_dht_never_starts_a_search_nor_an_envelope() -> None:
    dialer = make()
    assert dialer.send(dht_send(1, 1), 0.0) == [SendFailed(1, node(1), "disconnected", "no known address")]
    dialer.learn(peer_info(1))
    assert dialer.send(dht_send(1, 2), 0.0) == [Dial(1000, (address(1),), node(1), 3.0)]
    assert dialer.dial_failed(DialFailed(1000, UNREACHABLE, "no answer"), 3.0) == [
        SendFailed(2, node(1), "disconnected", "no answer")
    ]


def test_a_message_by_hand_starts_one_whatever_it_is() -> None:
    assert make().send(SendTo(node(1), Lane.CONTROL, Ping(7), 1, sought=True), 0.0) == [FindPeer(1000, node(1))]


def test_a_call_beside_a_message_of_the_dht_starts_the_search() -> None:
    dialer = knowing(1)
    dialer.send(dht_send(1, 1), 0.0)
    dialer.send(send(1, 2), 0.0)
    assert dialer.dial_failed(DialFailed(1000, UNREACHABLE, "no answer"), 3.0) == [FindPeer(1001, node(1))]
    assert dialer.found(1001, None, 3.5) == [
        SendFailed(1, node(1), "disconnected", "no peer record found"),
        Route(peer_info(1), send(1, 2).message, 2),
    ]


def test_a_peer_that_says_it_cannot_be_reached_is_never_dialed() -> None:
    dialer = make()
    hidden = peer_info(1, reachable=False)
    dialer.learn(hidden)
    assert dialer.send(send(1, 1), 0.0) == [FindPeer(1000, node(1))], "a newer record may name relays"
    assert dialer.found(1000, hidden, 0.1) == [Route(hidden, send(1, 1).message, 1)]
    assert dialer.send(send(1, 2), 0.2) == [Route(hidden, send(1, 2).message, 2)]


PLACES = (RelayPlace(node(8), address(8)), RelayPlace(node(9), address(9)))


def behind(*places: RelayPlace, seq: int = 1) -> PeerInfo:
    """A record of node 1 that names relays."""
    return replace(peer_info(1, reachable=False), relays=places, record=replace(peer_info(1).record, seq=seq))


def test_a_peer_behind_relays_is_dialed_through_those_where_there_is_a_session() -> None:
    dialer = make()
    dialer.learn(behind(*PLACES))
    assert dialer.send(send(1, 1), 0.0) == [ReachVia(1000, node(1), PLACES)]
    assert dialer.send(send(1, 2), 0.1) == [], "single flight"
    assert dialer.relays_ready(RelaysReady(1000, (node(8),)), 0.2) == [Dial(1001, (), node(1), 3.0, (node(8),))]
    assert dialer.relays_ready(RelaysReady(1000, (node(8),)), 0.3) == [], "an answer that comes twice"
    dialer.answered(1001)
    assert [request.token for request in dialer.connected(node(1))] == [1, 2]


def test_without_a_session_a_newer_record_is_sought_and_then_an_envelope_sent() -> None:
    dialer = make()
    dialer.learn(behind(PLACES[0]))
    dialer.send(send(1, 1), 0.0)
    assert dialer.relays_ready(RelaysReady(1000, ()), 2.0) == [FindPeer(1001, node(1))]
    newer = behind(PLACES[1], seq=2)
    dialer.learn(newer)
    assert dialer.found(1001, newer, 2.1) == [ReachVia(1002, node(1), PLACES[1:])]
    assert dialer.relays_ready(RelaysReady(1002, (node(9),)), 2.2) == [Dial(1003, (), node(1), 3.0, (node(9),))]
    failed = DialFailed(1003, UNREACHABLE, "no answer")
    assert dialer.dial_failed(failed, 5.2) == [Route(newer, send(1, 1).message, 1)]


def test_a_message_of_the_dht_starts_no_search_for_a_newer_record() -> None:
    dialer = make()
    dialer.learn(peer_info(1, reachable=False))
    (failed,) = dialer.send(dht_send(1, 1), 0.0)
    assert isinstance(failed, SendFailed)


def test_new_relays_end_the_wait_after_a_failure() -> None:
    dialer = make()
    dialer.learn(behind())
    dialer.send(dht_send(1, 1), 0.0)
    dialer.learn(behind(*PLACES, seq=2))
    assert dialer.send(send(1, 2), 0.1) == [ReachVia(1000, node(1), PLACES)]


def test_who_never_relays_sends_no_envelope_but_the_answer_to_one() -> None:
    dialer = Dialer(PoolSettings(), count(1000), PathPolicy.NEVER_RELAY)
    dialer.learn(behind(*PLACES))
    assert dialer.send(send(1, 1), 0.0) == [FindPeer(1000, node(1))]
    (failed,) = dialer.found(1000, None, 0.1)
    assert isinstance(failed, SendFailed)
    assert story([*dialer.send(replace(send(1, 2), routed=True), 0.2)]) == ["Route"]


def test_an_address_that_somebody_names_is_tried_while_there_is_no_record() -> None:
    dialer = make()
    dialer.hint(LearnAddress(node(1), address(7)))
    assert dialer.send(dht_send(1, 1), 0.0) == [Dial(1000, (address(7),), node(1), 3.0)]


def test_after_a_failure_no_dial_for_five_seconds() -> None:
    dialer = knowing(1)
    dialer.send(dht_send(1, 1), 0.0)
    dialer.dial_failed(DialFailed(1000, UNREACHABLE, "no answer"), 3.0)
    assert dialer.send(send(1, 2), 7.9) == [Route(peer_info(1), send(1, 2).message, 2)]
    (failed,) = dialer.send(dht_send(1, 3), 7.9)
    assert isinstance(failed, SendFailed)
    assert dialer.send(send(1, 4), 8.0) == [Dial(1001, (address(1),), node(1), 3.0)]


def test_a_new_address_ends_the_wait() -> None:
    dialer = knowing(1)
    dialer.send(dht_send(1, 1), 0.0)
    dialer.dial_failed(DialFailed(1000, UNREACHABLE, "no answer"), 3.0)
    dialer.learn(peer_info(1, wall=WALL + 1))
    assert not any(isinstance(outcome, Dial) for outcome in dialer.send(send(1, 2), 3.1))
    dialer.learn(peer_info(1, at=address(99), wall=WALL + 2))
    assert dialer.send(send(1, 3), 3.2) == [Dial(1001, (address(99),), node(1), 3.0)]


def test_the_first_address_ends_the_wait_too() -> None:
    dialer = make()
    dialer.send(dht_send(1, 1), 0.0)
    dialer.learn(peer_info(1))
    assert dialer.send(send(1, 2), 0.1) == [Dial(1000, (address(1),), node(1), 3.0)]


def test_an_older_record_changes_nothing() -> None:
    dialer = knowing(1)
    dialer.learn(peer_info(1, at=address(99), wall=WALL - 10))
    assert dialer.known(node(1)) == peer_info(1)


def test_the_address_book_forgets_the_least_recently_learned() -> None:
    dialer = knowing(1, 2, address_book=2)
    dialer.learn(peer_info(1))
    dialer.learn(peer_info(3))
    assert dialer.known(node(2)) is None
    assert dialer.known(node(1)) == peer_info(1)


def test_an_answer_to_an_envelope_goes_back_as_one() -> None:
    dialer = knowing(1)
    reply = SendTo(node(1), send(1, 1).lane, send(1, 1).message, 1, routed=True)
    assert dialer.send(reply, 0.0) == [Route(peer_info(1), reply.message, 1)]


def test_a_node_that_shuts_down_dials_nobody_and_still_answers_envelopes() -> None:
    dialer = knowing(1)
    dialer.closed = True
    assert dialer.send(send(1, 1), 0.0) == [SendFailed(1, node(1), "disconnected", "this node is shutting down")]
    reply = SendTo(node(1), send(1, 2).lane, send(1, 2).message, 2, routed=True)
    assert dialer.send(reply, 0.0) == [Route(peer_info(1), reply.message, 2)]


def test_without_a_token_nobody_is_told() -> None:
    dialer = make()
    request = dht_send(1, 1)
    assert dialer.send(SendTo(request.peer, request.lane, request.message), 0.0) == []


def test_hello_refused_goes_on_like_a_failed_dial() -> None:
    dialer = knowing(1)
    dialer.send(send(1, 1), 0.0)
    dialer.answered(1000)
    assert dialer.refused(node(1), "no_common_realm", 0.1) == [FindPeer(1001, node(1))]


def test_another_connection_that_fails_does_not_end_a_dial_under_way() -> None:
    dialer = knowing(1)
    dialer.send(send(1, 1), 0.0)
    assert dialer.refused(node(1), "the peer's own connection was lost", 0.1) == []
    dialer.answered(1000)
    assert dialer.connected(node(1)) == [send(1, 1)]


def test_a_late_failure_of_an_old_dial_does_not_end_the_new_one() -> None:
    dialer = knowing(1)
    dialer.send(send(1, 1), 0.0)
    assert dialer.connected(node(1)) == [send(1, 1)]  # the peer had dialed as well
    assert dialer.send(send(1, 2), 1.0) == [Dial(1001, (address(1),), node(1), 3.0)]
    assert dialer.dial_failed(DialFailed(1000, UNREACHABLE, "no answer"), 3.0) == []
    dialer.answered(1001)
    assert dialer.connected(node(1)) == [send(1, 2)]


def test_answers_to_nothing_are_ignored() -> None:
    dialer = make()
    dialer.answered(7)
    assert dialer.dial_failed(DialFailed(7, UNREACHABLE, "?"), 0.0) == []
    assert dialer.found(7, None, 0.0) == []
    assert dialer.refused(node(1), "?", 0.0) == []


def test_somebody_else_at_the_address_is_told_once_a_minute() -> None:
    dialer = knowing(1)
    (dial,) = [each for each in dialer.send(dht_send(1, 1), 0.0) if isinstance(each, Dial)]
    (trace, *_) = dialer.dial_failed(DialFailed(dial.dial, codes.BAD_IDENTITY, "found another"), 1.0)
    assert isinstance(trace, Trace)
    assert (trace.name, trace.limit) == ("dial.wrong_identity", f"dial {node(1)}")


def test_what_a_peer_says_of_itself_is_not_taken_for_a_finding() -> None:
    dialer = knowing(1)
    (dial,) = [each for each in dialer.send(dht_send(1, 1), 0.0) if isinstance(each, Dial)]
    outcomes = dialer.dial_failed(DialFailed(dial.dial, UNREACHABLE, "bad_identity: says the peer"), 1.0)
    assert not any(isinstance(outcome, Trace) for outcome in outcomes)


def test_an_envelope_says_nothing_of_spans() -> None:
    dialer = knowing(1)
    dialer.send(dht_send(1, 1), 0.0)
    dialer.dial_failed(DialFailed(1000, UNREACHABLE, "no answer"), 3.0)
    request = send(1, 2)
    assert isinstance(request.message, Call)
    traced = replace(request, message=replace(request.message, traceparent="00-span"))
    assert dialer.send(traced, 3.1) == [Route(peer_info(1), request.message, 2)]
