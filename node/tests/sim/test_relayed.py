"""Whole meshes whose edges can be reached through relays only."""

from __future__ import annotations

import math
from typing import Any

import pytest

from macula.core.commands import Shutdown
from macula.core.effects import SetPath, TransportEffect
from macula.core.mode import Mode, PathPolicy
from macula.core.route import Relayed
from macula.identity import NodeId
from macula.sim import SimNode
from macula.wire.messages import Call, PubsubRoute, RpcRoute

from .mesh import Mesh, payloads, tap


def hidden_mesh(seed: int, edges: int = 2, **settings: Any) -> tuple[Mesh, list[SimNode]]:
    """Nobody can connect to an edge; all have had time to get and name their relays."""
    mesh = Mesh(seed, edges=0)
    hidden = [mesh.add(Mode.EDGE, f"hidden-{number}", reachable=False, **settings) for number in range(edges)]
    mesh.join()
    mesh.world.run(5.0)
    return mesh, hidden


def paths(mesh: Mesh) -> list[tuple[NodeId, SetPath]]:
    """Every path that is set from now on."""
    seen: list[tuple[NodeId, SetPath]] = []
    execute = mesh.world.network.execute

    def record(source: NodeId, effect: TransportEffect) -> None:
        if isinstance(effect, SetPath):
            seen.append((source, effect))
        execute(source, effect)

    setattr(mesh.world.network, "execute", record)  # noqa: B010 - an assignment is none that mypy allows
    return seen


def named(node: SimNode) -> set[NodeId]:
    """The relays in a node's own record."""
    info = node.engine._own.info
    assert info is not None
    return {relay.node for relay in info.relays}


def test_edges_call_each_other_by_a_connection_through_a_relay() -> None:
    mesh, (a, b) = hidden_mesh(30)
    both = {mesh.bootstrap.node_id, mesh.gateway.node_id}
    assert named(a) == named(b) == both
    mesh.serve(b)
    said = tap(mesh.world)
    value, result = mesh.call(a, 1)
    assert (value, result.provider, result.hops) == (2, b.node_id, ())
    assert [source for _, source, sent in said if isinstance(sent.message, Call)] == [a.node_id]
    assert not any(isinstance(sent.message, RpcRoute) for _, _, sent in said)


def test_events_go_through_relays_too() -> None:
    mesh, (a, b) = hidden_mesh(31)
    mesh.subscribe(b, "io.test.feed")
    said = tap(mesh.world)
    for number in range(10):
        assert mesh.publish(a, "io.test.feed", number).delivered == (b.node_id,)
    mesh.world.run(1.0)
    assert payloads(b) == list(range(10))
    assert not any(isinstance(sent.message, PubsubRoute) for _, _, sent in said)


def test_a_public_node_calls_an_edge_through_the_edges_relay() -> None:
    mesh, (a, _) = hidden_mesh(32)
    public = mesh.add(Mode.EDGE, "public")
    mesh.join()
    mesh.serve(a)
    _, result = mesh.call(public, 1)
    assert result.hops == ()


def test_when_a_relay_dies_calls_in_flight_survive_and_another_one_is_found() -> None:
    mesh, (a, b) = hidden_mesh(33)
    third = mesh.add(Mode.RELAY, "relay")
    mesh.join()
    mesh.world.run(5.0)
    mesh.serve(b)
    assert mesh.call(a, 1)[0] == 2
    (route,) = {mesh.world.network._routes[pair] for pair in [(a.node_id, b.node_id)]}
    assert isinstance(route, Relayed)
    dying = next(node for node in (mesh.bootstrap, mesh.gateway, third) if node.node_id == route.relay)
    dying.kill()
    begin = mesh.world.clock.now
    for number in range(20):
        assert mesh.call(a, number)[0] == number + 1
    assert mesh.world.clock.now - begin < 5.0
    mesh.world.run(90.0)
    for edge in (a, b):
        assert len(named(edge)) == 2 and dying.node_id not in named(edge)


@pytest.mark.parametrize("held", [math.inf, 2.0], ids=["drops", "delays"])
@pytest.mark.parametrize("connected", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("caller", ["hidden", "public"])
@pytest.mark.parametrize("bad", [0, 1])
def test_a_relay_that_grants_and_then_drops_or_delays_costs_no_call(
    held: float, connected: bool, caller: str, bad: int
) -> None:
    mesh, (a, b) = hidden_mesh(37)
    public = mesh.add(Mode.EDGE, "public")
    mesh.join()
    source = {"hidden": a, "public": public}[caller]
    mesh.serve(b)
    if connected:
        mesh.call(source, 1)
    mesh.world.network.hold_back((mesh.bootstrap, mesh.gateway)[bad].node_id, held)
    took = []
    for number in range(20):
        began = mesh.world.clock.now
        assert mesh.call(source, number)[0] == number + 1
        took.append(mesh.world.clock.now - began)
        mesh.world.run(0.1)
    print(f"the first call took {took[0]:.2f} s, those after it {max(took[1:]):.2f} s at most")
    assert max(took[5:]) < 0.5, "the other relay is used"


def test_clients_leave_a_relay_that_stops_before_it_does() -> None:
    mesh, (a, b) = hidden_mesh(34)
    mesh.serve(b)
    mesh.call(a, 1)
    route = mesh.world.network._routes[a.node_id, b.node_id]
    assert isinstance(route, Relayed)
    stopping = next(node for node in (mesh.bootstrap, mesh.gateway) if node.node_id == route.relay)
    moved = paths(mesh)
    mesh.world.ask(stopping, Shutdown(5.0))
    assert {(source, effect.peer) for source, effect in moved} <= {(a.node_id, b.node_id), (b.node_id, a.node_id)}
    moved_to = mesh.world.network._routes[a.node_id, b.node_id]
    assert isinstance(moved_to, Relayed) and moved_to.relay != stopping.node_id
    assert mesh.call(a, 5)[0] == 6


def test_who_never_relays_has_no_relay_and_reaches_nobody_through_one() -> None:
    mesh, (a, b) = hidden_mesh(35, path_policy=PathPolicy.NEVER_RELAY)
    assert named(a) == named(b) == set()
    mesh.serve(b)
    said = tap(mesh.world)
    try:
        mesh.call(a, 1, timeout=2.0)
        raise AssertionError("there is no way")
    except Exception as error:  # noqa: BLE001 - whichever: it must not have arrived
        assert type(error).__name__ in ("Disconnected", "Timeout", "PeerUnreachable"), error
    assert not any(isinstance(sent.message, RpcRoute | Call) for _, _, sent in said)


def test_who_is_reached_by_relay_only_names_no_address() -> None:
    mesh = Mesh(36, edges=0)
    shy = mesh.add(Mode.EDGE, "shy", path_policy=PathPolicy.RELAY_ONLY)
    caller = mesh.add(Mode.EDGE, "caller", reachable=False)
    mesh.join()
    mesh.world.run(5.0)
    info = shy.engine._own.info
    assert info is not None and not info.addresses and not info.reachable and len(info.relays) == 2
    mesh.serve(shy)
    assert mesh.call(caller, 1)[1].hops == ()
    assert isinstance(mesh.world.network._routes[caller.node_id, shy.node_id], Relayed)
