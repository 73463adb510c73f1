"""The router as the source and as the destination of envelopes."""

from __future__ import annotations

import itertools
import random

import pytest
from msgspec.structs import replace

from macula.core.effects import Trace
from macula.core.requests import (
    PeerDown,
    Route,
    SendFailed,
    SendTo,
    Unsealed,
)
from macula.relay.envelope import Envelope
from macula.relay.service import EnvelopeRouter
from macula.relay.settings import MAX_SEALED, RouteSettings
from macula.wire import codes
from macula.wire.messages import Ping, RouteError, RpcRoute

from .alone import DESTINATION, OTHER, SELF, SOURCE, Alone, incoming, node
from .mesh import REALM, WALL, call, identity, peer_info, peer_up


def own_envelope(alone: Alone, token: int | None = 7) -> Envelope:
    [send] = alone.tell(Route(peer_info(DESTINATION), call(), token))
    assert isinstance(send, SendTo)
    assert send.peer == node(OTHER)
    assert isinstance(send.message, RpcRoute)
    return send.message


def test_the_asker_is_told_what_a_forwarder_says() -> None:
    alone = Alone(OTHER)
    envelope = own_envelope(alone)
    assert (envelope.hop_count, envelope.visited) == (0, (node(SELF),))
    error = RouteError(REALM, envelope.envelope_id, codes.MAX_HOPS_EXCEEDED, ())
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
        (Route(peer_info(OTHER), replace(call(), args=bytes(MAX_SEALED)), 7), codes.TOO_LARGE),
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
