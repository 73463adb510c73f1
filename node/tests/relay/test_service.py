"""The router alone: what it refuses, drops and answers, and that nothing a peer sends makes it raise."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from macula.core.effects import Trace
from macula.core.events import PeerSuspect, Tick
from macula.core.lanes import Lane
from macula.core.requests import (
    PeerDown,
    Received,
    RefusePeer,
    Route,
    SelfChanged,
    SendFailed,
    SendTo,
    Unsealed,
)
from macula.core.service import Action, ServiceEvent
from macula.identity import NodeId
from macula.relay.envelope import Envelope, seal
from macula.relay.service import EnvelopeRouter
from macula.relay.settings import RouteSettings
from macula.wire import codes
from macula.wire.messages import Message, Ping, PubsubRoute, RouteError, RpcRoute

from .mesh import REALM, WALL, call, identity, peer_info, peer_up

ID = bytes(range(16))
SOURCE, SELF, DESTINATION, OTHER = 0, 1, 2, 3


def node(index: int) -> NodeId:
    return identity(index).node_id


class Alone:
    """One router, node SELF, whose peers are the ones given."""

    def __init__(
        self, *peers: int, edges: tuple[int, ...] = (), forwards: bool = True, settings: RouteSettings | None = None
    ) -> None:
        self.now = 0.0
        self.router = EnvelopeRouter(
            settings or RouteSettings(), identity(SELF), (REALM,), forwards, random.Random(1), itertools.count(100)
        )
        self.tell(SelfChanged(peer_info(SELF)))
        for peer in peers:
            self.tell(peer_up(peer, "edge" if peer in edges else "gateway"))

    def tell(self, event: ServiceEvent) -> list[Action]:
        return self.router.handle(event, self.now, WALL + self.now)

    def receive(self, sender: int, message: Message) -> list[Action]:
        return self.tell(Received(node(sender), message))


def transit(**changes: object) -> Envelope:
    """An envelope from SOURCE to DESTINATION as SOURCE sends it to SELF."""
    envelope = seal(identity(SOURCE), peer_info(SOURCE), peer_info(DESTINATION), call(), ID, 10)
    return replace(envelope, **changes)  # type: ignore[arg-type]


def refusal(actions: list[Action]) -> str:
    """The code of the only message sent, a RouteError back to SOURCE."""
    [send] = [action for action in actions if isinstance(action, SendTo)]
    assert isinstance(send.message, RouteError)
    assert send == SendTo(node(SOURCE), Lane.RPC, RouteError(REALM, ID, send.message.code, ()))
    return send.message.code


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
        {"hop_count": 11, "visited": tuple(node(i) for i in (SOURCE, *range(10, 21)))[:12]},
        {"visited": (node(SOURCE), node(OTHER), node(SOURCE)), "hop_count": 2},
        {"visited": (node(SOURCE), node(DESTINATION), node(OTHER), node(SOURCE)), "hop_count": 3},
        {"destination_node_id": node(SOURCE)},
    ],
    ids=["empty", "not the sender", "not the source", "wrong count", "over", "loop", "past target", "to its source"],
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


# --- The source


def own_envelope(alone: Alone, token: int | None = 7) -> Envelope:
    [send] = alone.tell(Route(peer_info(DESTINATION), call(), token))
    assert isinstance(send, SendTo)
    assert send.peer == node(OTHER)
    assert isinstance(send.message, RpcRoute)
    return send.message


def test_the_asker_is_told_what_a_forwarder_says() -> None:
    alone = Alone(OTHER, SOURCE)
    envelope = own_envelope(Alone(OTHER))
    assert envelope.visited == (node(SELF),)
    alone = Alone(OTHER)
    error = RouteError(REALM, own_envelope(alone).envelope_id, codes.MAX_HOPS_EXCEEDED, ())
    [failed] = alone.receive(OTHER, error)
    assert isinstance(failed, SendFailed)
    assert (failed.token, failed.peer, failed.code) == (7, node(DESTINATION), codes.MAX_HOPS_EXCEEDED)
    assert isinstance(alone.receive(OTHER, error)[0], Trace)


def test_the_asker_is_told_that_sending_failed() -> None:
    alone = Alone(OTHER)
    own_envelope(alone)
    assert alone.tell(SendFailed(100, node(OTHER), "busy", "queue is full")) == [
        SendFailed(7, node(DESTINATION), "busy", "queue is full")
    ]


def test_nobody_is_told_who_did_not_ask() -> None:
    alone = Alone(OTHER)
    envelope = own_envelope(alone, token=None)
    assert alone.tell(SendFailed(100, node(OTHER), "busy", "queue is full")) == []
    assert isinstance(alone.receive(OTHER, RouteError(REALM, envelope.envelope_id, codes.BUSY, ()))[0], Trace)


def test_a_peer_cannot_make_this_node_forward_its_own_envelope() -> None:
    alone = Alone(OTHER, DESTINATION)
    alone.tell(PeerDown(node(DESTINATION), "idle", ""))
    envelope = own_envelope(alone)
    stolen = replace(envelope, source_node_id=node(OTHER), visited=(node(OTHER),), destination_node_id=node(20))
    assert isinstance(alone.receive(OTHER, stolen)[0], Trace)


@pytest.mark.parametrize(
    ("route", "code"),
    [
        (Route(peer_info(DESTINATION), call(), 7), codes.NO_ROUTE),
        (Route(peer_info(SELF), call(), 7), codes.NO_ROUTE),
        (Route(peer_info(OTHER), Ping(1), 7), codes.NO_ROUTE),
        (Route(peer_info(OTHER), replace(call(), args=bytes((1 << 20) - 4096)), 7), codes.TOO_LARGE),
        (Route(peer_info(OTHER), replace(call(), args=bytes(1 << 20)), 7), codes.NO_ROUTE),
        (Route(replace(peer_info(OTHER), box_public=bytes(32)), call(), 7), codes.NO_ROUTE),
    ],
    ids=["no candidate", "itself", "not to be sealed", "large", "no frame", "bad key"],
)
def test_what_cannot_leave_is_answered_at_once(route: Route, code: str) -> None:
    alone = Alone(OTHER, edges=(OTHER,))
    [failed] = alone.tell(route)
    assert isinstance(failed, SendFailed)
    assert (failed.token, failed.peer, failed.code) == (7, route.info.node, code)
    assert alone.tell(replace(route, token=None)) == []


def test_without_a_peer_record_nothing_leaves() -> None:
    router = EnvelopeRouter(RouteSettings(), identity(SELF), (REALM,), True, random.Random(1), itertools.count())
    router.handle(peer_up(DESTINATION), 0.0, WALL)
    [failed] = router.handle(Route(peer_info(DESTINATION), call(), 7), 0.0, WALL)
    assert isinstance(failed, SendFailed)
    assert "no peer record" in failed.reason


def test_the_same_seed_gives_the_same_envelope_but_for_its_ciphertext() -> None:
    first, second = own_envelope(Alone(OTHER)), own_envelope(Alone(OTHER))
    assert len(first.payload) == len(second.payload)
    assert replace(first, payload=b"") == replace(second, payload=b"")


# --- The destination


def incoming() -> Envelope:
    envelope = seal(identity(SOURCE), peer_info(SOURCE), peer_info(SELF), call(), ID, 10)
    return replace(envelope, visited=(node(SOURCE), node(OTHER)), hop_count=1)


def test_the_destination_opens_once() -> None:
    alone = Alone(OTHER, SOURCE, forwards=False)
    assert alone.receive(OTHER, incoming()) == [Unsealed(peer_info(SOURCE), call(), (node(OTHER),))]
    [trace] = alone.receive(OTHER, incoming())
    assert isinstance(trace, Trace)
    [trace] = alone.receive(SOURCE, replace(incoming(), visited=(node(SOURCE),), hop_count=0))
    assert isinstance(trace, Trace)


def test_an_altered_envelope_is_dropped_and_does_not_hide_the_true_one() -> None:
    alone = Alone(OTHER)
    [trace] = alone.receive(OTHER, replace(incoming(), payload=bytes(200)))
    assert isinstance(trace, Trace)
    assert isinstance(alone.receive(OTHER, incoming())[0], Unsealed)


# --- Anything at all

ids = st.sampled_from([node(i) for i in range(6)])
envelope_ids = st.sampled_from([ID, bytes(16)])
realms = st.sampled_from([REALM, REALM, "*", "io.other"])
payloads = st.sampled_from([b"", bytes(50), transit().payload, incoming().payload])
hop_counts = st.integers(0, 64)
visits = st.lists(ids, max_size=5, unique=True).map(tuple) | st.lists(ids, max_size=64).map(tuple)
wild = st.builds(RpcRoute, realms, envelope_ids, ids, ids, hop_counts, hop_counts, visits, payloads) | st.builds(
    PubsubRoute, realms, envelope_ids, ids, ids, hop_counts, hop_counts, visits, payloads
)


@st.composite
def plausible(draw: st.DrawFn) -> Envelope:
    """Consistent but for at most one field."""
    visited = tuple(draw(st.lists(ids, min_size=1, max_size=5, unique=True)))
    base = transit() if draw(st.booleans()) else incoming()
    base = replace(base, envelope_id=draw(envelope_ids))
    return replace(base, source_node_id=visited[0], visited=visited, hop_count=len(visited) - 1)


errors = st.builds(RouteError, realms, envelope_ids, st.sampled_from([codes.BUSY, "what"]), visits)
hostile = st.lists(
    st.builds(Received, ids, wild | plausible() | errors)
    | st.builds(SendFailed, st.integers(95, 110), ids, st.just("busy"), st.just("full"))
    | st.builds(PeerDown, ids, st.just("idle"), st.just(""))
    | st.sampled_from([peer_up(i) for i in range(6) if i != SELF]),
    max_size=30,
)


@given(hostile, st.booleans())
def test_nothing_a_peer_sends_raises_or_multiplies(events: list[ServiceEvent], forwards: bool) -> None:
    alone = Alone(SOURCE, DESTINATION, OTHER, forwards=forwards)
    for event in events:
        alone.now += 0.01
        actions = alone.tell(event)
        sends = [action for action in actions if isinstance(action, SendTo)]
        assert len(sends) <= 1
        for send in sends:
            if isinstance(send.message, RpcRoute | PubsubRoute):
                assert forwards
                assert node(SELF) == send.message.visited[-1]
                assert send.peer not in send.message.visited
