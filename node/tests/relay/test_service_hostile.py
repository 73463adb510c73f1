"""Nothing that a peer sends makes the router raise or multiply messages."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from macula.core.requests import (
    PeerDown,
    Received,
    SendFailed,
    SendTo,
)
from macula.core.service import ServiceEvent
from macula.relay.envelope import Envelope
from macula.wire import codes
from macula.wire.messages import PubsubRoute, RouteError, RpcRoute

from .alone import DESTINATION, ID, OTHER, SELF, SOURCE, Alone, incoming, node, transit
from .mesh import REALM, peer_up

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
