"""Many routers together: lines, stars and random graphs on virtual time."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from macula.core.requests import SendFailed
from macula.identity import NodeId
from macula.relay.settings import RouteSettings
from macula.wire import codes, encode
from macula.wire.messages import Call, Publish, Reply, RouteError, RpcRoute

from .mesh import LINK_DELAY, REALM, Mesh, call, identity, line


def nodes(*indices: int) -> tuple[NodeId, ...]:
    return tuple(identity(i).node_id for i in indices)


@pytest.mark.parametrize("length", range(2, 13))
def test_up_to_ten_hops_are_delivered(length: int) -> None:
    mesh = line(length)
    mesh.route(0, length - 1, call(b"to the end"))
    mesh.run()
    [(at, unsealed)] = mesh.unsealed
    assert at == length - 1
    assert unsealed.info.node == identity(0).node_id
    assert unsealed.message == call(b"to the end")
    assert unsealed.hops == nodes(*range(1, length - 1))
    assert list(mesh.envelopes.values()) == [length - 1]
    assert mesh.now == pytest.approx((length - 1) * LINK_DELAY)
    assert not mesh.failed
    assert not mesh.errors


def test_the_eleventh_hop_is_refused() -> None:
    mesh = line(13)
    mesh.route(0, 12, token=7)
    mesh.run()
    assert not mesh.unsealed
    [(at, failed)] = mesh.failed
    assert (at, failed.token, failed.peer) == (0, 7, identity(12).node_id)
    assert failed.code == codes.MAX_HOPS_EXCEEDED
    # n11 got it with ten hops behind it, and its refusal went back over the same eleven links.
    arrivals = [(to, m.hop_count) for _, to, m in mesh.wire if isinstance(m, RpcRoute)]
    assert arrivals == [(to, to - 1) for to in range(1, 12)]
    refusals = [(at, to, len(m.path)) for at, to, m in mesh.wire if isinstance(m, RouteError)]
    assert refusals == [(at, at - 1, at - 1) for at in range(11, 0, -1)]


@pytest.mark.parametrize("max_hops", [0, 1, 3])
def test_the_limit_is_a_setting(max_hops: int) -> None:
    mesh = line(max_hops + 3, settings=RouteSettings(max_hops=max_hops))
    mesh.route(0, max_hops + 1)
    mesh.run()
    assert len(mesh.unsealed) == 1
    mesh.route(0, max_hops + 2)
    mesh.run()
    assert [failed.code for _, failed in mesh.failed] == [codes.MAX_HOPS_EXCEEDED]


def test_a_star_carries_call_reply_and_event_between_edges() -> None:
    mesh = Mesh(6, [(0, i) for i in range(1, 6)], edges=range(1, 6))
    for a, b in itertools.permutations(range(1, 6), 2):
        mesh.unsealed.clear()
        mesh.route(a, b, call(b"question"))
        mesh.run()
        mesh.route(b, a, Reply(REALM, bytes(16), b"answer", "", ""))
        mesh.route(a, b, Publish(REALM, "io.test.event", b"event", 0, 1, 1, 0))
        mesh.run()
        assert [(at, type(u.message)) for at, u in mesh.unsealed] == [(b, Call), (a, Reply), (b, Publish)]
        assert all(u.hops == nodes(0) for _, u in mesh.unsealed)
    assert not mesh.failed
    assert not mesh.traces


def test_no_way_ends_as_no_route() -> None:
    mesh = Mesh(4, [(0, 1), (1, 2)])
    mesh.route(0, 3, token=7)
    mesh.run()
    assert [(at, failed.token, failed.code) for at, failed in mesh.failed] == [(0, 7, codes.NO_ROUTE)]
    mesh.route(3, 0, token=8)
    assert mesh.failed[-1][1].code == codes.NO_ROUTE


def test_a_ring_without_the_destination_ends_without_a_loop() -> None:
    ring = 6
    mesh = Mesh(ring + 1, [(i, (i + 1) % ring) for i in range(ring)])
    mesh.route(0, ring)
    mesh.run()
    assert [failed.code for _, failed in mesh.failed] == [codes.NO_ROUTE]
    assert sum(mesh.envelopes.values()) == ring - 1


def test_a_link_that_breaks_on_the_way_ends_as_no_route() -> None:
    mesh = line(4)
    mesh.route(0, 3)
    mesh.disconnect(2, 3)
    mesh.run()
    assert [(at, failed.code) for at, failed in mesh.failed] == [(0, codes.NO_ROUTE)]


def test_forwarders_never_see_the_message() -> None:
    mesh = line(5)
    mesh.route(0, 4, call(b"nobody else may read this"))
    mesh.run()
    assert len(mesh.unsealed) == 1
    for _, _, message in mesh.wire:
        assert b"nobody else" not in encode(message)
        assert b"io.test.add" not in encode(message)


def test_a_recorded_envelope_sent_again_is_not_delivered_again() -> None:
    mesh = line(4)
    mesh.route(0, 3)
    mesh.run()
    for at, to, message in list(mesh.wire):
        mesh.receive(to, at, message)
    mesh.run()
    assert len(mesh.unsealed) == 1
    assert [trace.name for _, trace in mesh.traces] == ["route.dropped"] * 3


graphs = st.integers(2, 14).flatmap(
    lambda count: st.tuples(
        st.just(count),
        st.lists(
            st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(lambda link: link[0] < link[1]),
            unique=True,
            max_size=3 * count,
        ),
        st.lists(st.integers(0, count - 1), unique=True, max_size=count // 2),
    )
)


@given(graphs, st.data())
def test_in_any_graph_an_envelope_ends_exactly_once(
    graph: tuple[int, list[tuple[int, int]], list[int]], data: st.DataObject
) -> None:
    count, links, edges = graph
    mesh = Mesh(count, links, edges=edges)
    ends = [(a, b) for a, b in itertools.permutations(range(count), 2)]
    ways = data.draw(st.lists(st.sampled_from(ends), min_size=1, max_size=5))
    for token, (source, destination) in enumerate(ways):
        mesh.route(source, destination, call(bytes([token])), token)
    mesh.run()
    delivered = {unsealed.message.args[0]: (at, unsealed) for at, unsealed in mesh.unsealed}  # type: ignore[union-attr]
    failed: dict[int, tuple[int, SendFailed]] = {failed.token: (at, failed) for at, failed in mesh.failed}
    assert len(mesh.unsealed) + len(mesh.failed) == len(ways)
    assert sorted([*delivered, *failed]) == list(range(len(ways)))
    assert not mesh.refused
    for token, (at, unsealed) in delivered.items():
        source, destination = ways[token]
        assert (at, unsealed.info.node) == (destination, identity(source).node_id)
        way = [source, *(mesh.index[hop] for hop in unsealed.hops), destination]
        assert len(set(way)) == len(way) <= 12
        assert all(link in mesh.links for link in itertools.pairwise(way))
        assert all(mesh.mode[hop] != "edge" for hop in way[1:-1])
    for token, (at, _) in failed.items():
        assert at == ways[token][0]
    # An envelope uses each link once at most, an error goes back over what the envelope used, and nothing else is sent.
    for envelope_id, sent in mesh.envelopes.items():
        assert sent <= 11
        assert mesh.errors[envelope_id] in (0, sent)


def test_a_direct_neighbour_is_always_reached() -> None:
    mesh = Mesh(8, [(a, b) for a in range(8) for b in range(a)])
    for source, destination in itertools.permutations(range(8), 2):
        mesh.route(source, destination)
    mesh.run()
    assert len(mesh.unsealed) == 56
    assert all(unsealed.hops == () for _, unsealed in mesh.unsealed)
