"""Hosts whose wall clocks jump, while time itself runs on."""

from __future__ import annotations

import pytest

from macula.core.commands import Advertise, CallProcedure, DhtLookup, Status, Strategy
from macula.core.mode import Mode
from macula.core.record import Kind
from macula.core.results import CallResult, LookupResult, NodeStatus
from macula.dht.settings import DhtSettings
from macula.engine import Bootstrap, EngineSettings
from macula.sim import SimNode, World

from .mesh import REALM

TTL = 60
HOUR = 3600.0


def settings(mode: Mode, name: str, *ways_in: Bootstrap) -> EngineSettings:
    return EngineSettings(mode, name, REALM, bootstraps=ways_in, record_ttl=TTL, dht=DhtSettings(ttl=TTL))


def mesh(world: World) -> list[SimNode]:
    """A bootstrap and four edges, each of which provides a procedure that says who it is."""
    bootstrap = world.add(settings(Mode.BOOTSTRAP, "bootstrap"))
    edges = [world.add(settings(Mode.EDGE, f"edge-{n}", Bootstrap(bootstrap.address))) for n in range(4)]
    world.run(5.0)
    for edge in edges:
        serve(world, edge)
    return [bootstrap, *edges]


def serve(world: World, edge: SimNode) -> None:
    edge.handlers[procedure(edge)] = lambda call: bytes(edge.node_id)
    world.ask(edge, Advertise(procedure(edge), False))


def procedure(edge: SimNode) -> str:
    return f"io.test.{edge.node_id.short}"


def answer(world: World, caller: SimNode, provider: SimNode) -> bytes:
    request = CallProcedure(procedure(provider), b"", 5.0, Strategy.ROUND_ROBIN)
    result: CallResult = world.ask(caller, request)
    return result.value


def is_found(world: World, asker: SimNode, edge: SimNode) -> bool:
    result: LookupResult = world.ask(asker, DhtLookup(REALM, Kind.RPC, procedure(edge)))
    return [record.node for record in result.records] == [edge.node_id]


def held(world: World, node: SimNode) -> float:
    status: NodeStatus = world.ask(node, Status())
    return status.clock_held


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_a_node_whose_clock_jumps_finds_and_is_found_longer_than_records_live(jump: float) -> None:
    world = World(seed=1)
    _, first, second, *_ = mesh(world)
    first.ahead = jump
    for _ in range(4):
        world.run(TTL / 2)
        assert held(world, first) == jump
        assert is_found(world, second, first) and is_found(world, first, second)
        assert answer(world, first, second) == bytes(second.node_id)
        assert answer(world, second, first) == bytes(first.node_id)
    first.ahead = 0.0
    assert held(world, first) == 0.0
    world.run(2 * TTL)
    assert is_found(world, second, first) and is_found(world, first, second)
    jumps = [trace.fields for trace in first.traces if trace.name == "clock.jumped"]
    assert jumps == [{"seconds": jump, "followed": False}, {"seconds": 0.0, "followed": True}]


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_where_all_clocks_jump_a_node_that_starts_then_takes_the_others_along(jump: float) -> None:
    world = World(seed=1)
    nodes = mesh(world)
    for node in nodes:
        node.ahead = jump
    world.run(TTL)
    assert all(held(world, node) == jump for node in nodes)
    late = world.add(settings(Mode.EDGE, "late", Bootstrap(nodes[0].address)), ahead=jump)
    world.run_until(lambda: late.engine.ready, 30.0)
    serve(world, late)
    world.run(2 * TTL)
    assert all(held(world, node) == 0.0 for node in nodes)
    assert all(is_found(world, node, edge) for node in (late, *nodes) for edge in (late, *nodes[1:]))
