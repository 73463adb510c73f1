"""The router as a forwarder: what it passes on, refuses, drops and leads back."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from macula.core.effects import Trace
from macula.core.events import PeerSuspect, Tick
from macula.core.lanes import Lane
from macula.core.requests import (
    PeerDown,
    Received,
    RefusePeer,
    SendFailed,
    SendTo,
)
from macula.relay.settings import RouteSettings
from macula.wire import codes
from macula.wire.messages import RouteError, RpcRoute

from .alone import DESTINATION, ID, OTHER, SELF, SOURCE, Alone, node, refusal, transit
from .mesh import REALM, peer_up


def test_a_forwarder_passes_the_envelope_on_with_one_more_hop() -> None:
    alone = Alone(SOURCE, DESTINATION)
    envelope = transit()
    onward = replace(envelope, hop_count=1, visited=(node(SOURCE), node(SELF)))
    assert alone.receive(SOURCE, envelope) == [SendTo(node(DESTINATION), Lane.RPC, onward, token=100)]


@pytest.mark.parametrize(
    "changes",
    [
        {"visited": ()},
        {"visited": (node(OTHER),)},
        {"visited": (node(OTHER), node(SOURCE)), "hop_count": 1},
        {"hop_count": 1},
        {"visited": (node(SOURCE), node(OTHER), node(SOURCE)), "hop_count": 2},
        {"visited": (node(SOURCE), node(DESTINATION), node(OTHER), node(SOURCE)), "hop_count": 3},
        {"destination_node_id": node(SOURCE)},
    ],
    ids=["empty", "not the sender", "not the source", "wrong count", "loop", "past target", "to its source"],
)
def test_a_peer_that_sends_an_impossible_way_is_refused(changes: dict[str, object]) -> None:
    alone = Alone(SOURCE, DESTINATION)
    [refused] = alone.receive(SOURCE, transit(**changes))
    assert isinstance(refused, RefusePeer)
    assert (refused.peer, refused.code) == (node(SOURCE), codes.BAD_MESSAGE)


def test_an_envelope_that_comes_back_is_refused() -> None:
    visited = (node(SOURCE), node(SELF), node(OTHER))
    [refused] = Alone(OTHER, DESTINATION).receive(OTHER, transit(visited=visited, hop_count=2))
    assert isinstance(refused, RefusePeer)


def test_an_envelope_beyond_its_own_limit_is_refused() -> None:
    visited = (node(SOURCE), *(node(i) for i in range(10, 20)), node(OTHER))
    [refused] = Alone(OTHER, DESTINATION).receive(OTHER, transit(visited=visited, hop_count=11))
    assert isinstance(refused, RefusePeer)
    assert "hop_count is 11, above max_hops 10" in refused.reason


def test_another_realm_is_refused() -> None:
    [refused] = Alone(SOURCE, DESTINATION).receive(SOURCE, transit(realm="io.other"))
    assert isinstance(refused, RefusePeer)
    assert refused.code == codes.WRONG_REALM


def test_a_peer_that_does_not_serve_the_realm_may_not_send_in_it() -> None:
    alone = Alone(DESTINATION)
    alone.tell(peer_up(SOURCE, realm="io.other"))
    [refused] = alone.receive(SOURCE, transit())
    assert isinstance(refused, RefusePeer)
    assert refused.code == codes.WRONG_REALM


def test_a_peer_that_does_not_serve_the_realm_is_sent_nothing_in_it() -> None:
    alone = Alone(SOURCE)
    alone.tell(peer_up(DESTINATION, realm="io.other"))
    alone.tell(peer_up(OTHER, realm="io.other"))
    assert refusal(alone.receive(SOURCE, transit())) == codes.NO_ROUTE


def test_a_peer_of_any_realm_forwards() -> None:
    alone = Alone(SOURCE)
    alone.tell(peer_up(OTHER, realm="*"))
    [send] = alone.receive(SOURCE, transit())
    assert isinstance(send, SendTo)
    assert send.peer == node(OTHER)


def test_an_edge_forwards_nothing() -> None:
    assert refusal(Alone(SOURCE, DESTINATION, forwards=False).receive(SOURCE, transit())) == codes.NO_ROUTE


def test_edges_are_no_next_hop() -> None:
    assert refusal(Alone(SOURCE, OTHER, edges=(OTHER,)).receive(SOURCE, transit())) == codes.NO_ROUTE


def test_an_edge_is_reached_as_destination() -> None:
    [send] = Alone(SOURCE, DESTINATION, edges=(DESTINATION,)).receive(SOURCE, transit())
    assert isinstance(send, SendTo)
    assert send.peer == node(DESTINATION)


def test_the_closest_peer_that_was_not_visited_comes_next() -> None:
    peers = [SOURCE, *range(10, 20)]
    alone = Alone(*peers)
    target = node(DESTINATION).position
    [send] = alone.receive(SOURCE, transit())
    assert isinstance(send, SendTo)
    ranked = sorted(peers[1:], key=lambda i: node(i).position ^ target)
    assert send.peer == node(ranked[0])
    visited = (node(SOURCE), node(ranked[0]), node(ranked[2]))
    [send] = alone.receive(ranked[2], transit(envelope_id=bytes(16), visited=visited, hop_count=2))
    assert isinstance(send, SendTo)
    assert send.peer == node(ranked[1])


def test_a_suspect_peer_comes_last() -> None:
    alone = Alone(SOURCE, 10, 11)
    target = node(DESTINATION).position
    near, far = sorted((10, 11), key=lambda i: node(i).position ^ target)
    alone.tell(PeerSuspect(node(near), True))
    [send] = alone.receive(SOURCE, transit())
    assert isinstance(send, SendTo)
    assert send.peer == node(far)
    alone.tell(PeerDown(node(far), "idle", ""))
    [send] = alone.receive(SOURCE, transit(envelope_id=bytes(16)))
    assert isinstance(send, SendTo)
    assert send.peer == node(near)


def test_a_suspect_destination_is_sought_by_another_forwarder_first() -> None:
    alone = Alone(SOURCE, DESTINATION, OTHER, edges=(DESTINATION,))
    alone.tell(PeerSuspect(node(DESTINATION), True))
    [send] = alone.receive(SOURCE, transit())
    assert isinstance(send, SendTo)
    assert send.peer == node(OTHER)
    alone.tell(PeerDown(node(OTHER), "idle", ""))
    [send] = alone.receive(SOURCE, transit(envelope_id=bytes(16)))
    assert isinstance(send, SendTo)
    assert send.peer == node(DESTINATION)


def test_the_same_envelope_is_forwarded_once() -> None:
    alone = Alone(SOURCE, DESTINATION, OTHER)
    alone.receive(SOURCE, transit())
    [trace] = alone.receive(SOURCE, transit())
    assert isinstance(trace, Trace)
    assert trace.limit is not None
    [trace] = alone.receive(OTHER, transit(visited=(node(SOURCE), node(OTHER)), hop_count=1))
    assert trace.name == "route.dropped"  # type: ignore[union-attr]


@pytest.mark.parametrize(("max_hops", "own_limit"), [(0, 10), (10, 0), (64, 0)])
def test_the_lower_of_both_hop_limits_counts(max_hops: int, own_limit: int) -> None:
    alone = Alone(SOURCE, DESTINATION, settings=RouteSettings(max_hops=own_limit))
    assert refusal(alone.receive(SOURCE, transit(max_hops=max_hops))) == codes.MAX_HOPS_EXCEEDED


def test_too_many_envelopes_are_refused_until_time_passes() -> None:
    alone = Alone(SOURCE, DESTINATION, OTHER, settings=RouteSettings(rate=1.0, burst=2.0))
    for _ in range(2):
        alone.receive(SOURCE, transit(envelope_id=alone.router._rng.randbytes(16)))
    assert refusal(alone.receive(SOURCE, transit())) == codes.BUSY
    other = transit(envelope_id=bytes(16), source_node_id=node(OTHER), visited=(node(OTHER),))
    assert isinstance(alone.receive(OTHER, other)[0].message, RpcRoute)  # type: ignore[union-attr]
    alone.now = 1.0
    assert isinstance(alone.receive(SOURCE, transit())[0].message, RpcRoute)  # type: ignore[union-attr]


def test_too_many_bytes_are_refused() -> None:
    size = len(transit().payload)
    alone = Alone(SOURCE, DESTINATION, settings=RouteSettings(byte_rate=1.0, byte_burst=size + 1.0))
    alone.receive(SOURCE, transit(envelope_id=bytes(16)))
    assert refusal(alone.receive(SOURCE, transit())) == codes.BUSY


def test_a_payload_over_the_limit_is_refused() -> None:
    alone = Alone(SOURCE, DESTINATION, settings=RouteSettings(max_payload=100))
    assert refusal(alone.receive(SOURCE, transit())) == codes.TOO_LARGE


def test_messages_of_a_node_that_is_not_up_are_ignored() -> None:
    assert Alone(DESTINATION).receive(SOURCE, transit()) == []


def test_routing_messages_from_inside_an_envelope_are_ignored() -> None:
    alone = Alone(SOURCE, DESTINATION)
    assert alone.tell(Received(node(SOURCE), transit(), hops=(node(OTHER),))) == []


def test_ticks_change_nothing() -> None:
    alone = Alone(SOURCE)
    assert alone.tell(Tick()) == []
    assert alone.router.next_deadline() is None


# --- Errors on their way back


def test_a_route_error_counts_only_from_the_next_hop_and_once() -> None:
    alone = Alone(SOURCE, DESTINATION, OTHER)
    alone.receive(SOURCE, transit())
    error = RouteError(REALM, ID, codes.BUSY, (node(OTHER),))
    for sender in (SOURCE, OTHER):
        [trace] = alone.receive(sender, error)
        assert isinstance(trace, Trace)
    assert refusal(alone.receive(DESTINATION, error)) == codes.BUSY
    [trace] = alone.receive(DESTINATION, error)
    assert isinstance(trace, Trace)


def test_an_unknown_code_goes_back_as_no_route() -> None:
    alone = Alone(SOURCE, DESTINATION)
    alone.receive(SOURCE, transit())
    assert refusal(alone.receive(DESTINATION, RouteError(REALM, ID, "unauthorized", ()))) == codes.NO_ROUTE


def test_a_forwarder_that_cannot_send_says_so() -> None:
    alone = Alone(SOURCE, DESTINATION)
    [send] = alone.receive(SOURCE, transit())
    assert isinstance(send, SendTo)
    assert send.token is not None
    failed = SendFailed(send.token, node(DESTINATION), "disconnected", "lost")
    assert refusal(alone.tell(failed)) == codes.NO_ROUTE
    assert alone.tell(failed) == []


def test_an_error_for_a_peer_that_left_is_dropped() -> None:
    alone = Alone(SOURCE, DESTINATION)
    alone.receive(SOURCE, transit())
    alone.tell(PeerDown(node(SOURCE), "idle", ""))
    [trace] = alone.receive(DESTINATION, RouteError(REALM, ID, codes.BUSY, ()))
    assert isinstance(trace, Trace)
    assert trace.name == "route.error_lost"
