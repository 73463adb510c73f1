"""Two hundred nodes, a third of which leave."""

from __future__ import annotations

import random

import pytest

from macula.core.commands import Advertise, DhtLookup, Shutdown
from macula.core.mode import Mode
from macula.core.record import Kind
from macula.core.results import LookupResult
from macula.dht.settings import DhtSettings
from macula.engine import Bootstrap, EngineSettings
from macula.identity import NodeId
from macula.sim import SimNode, World

from .mesh import REALM

NODES = 200
TTL = 120


def look_up(world: World, askers: list[SimNode], procedures: list[str]) -> list[tuple[NodeId, ...]]:
    """Who provides each procedure, as the asker at the same place finds; all ask at once."""
    commands = [
        (asker, asker.command(DhtLookup(REALM, Kind.RPC, procedure)))
        for asker, procedure in zip(askers, procedures, strict=True)
    ]
    world.run_until(lambda: all(id_ in asker.completed for asker, id_ in commands), 30.0)
    results: list[LookupResult] = [asker.completed[id_].result for asker, id_ in commands]
    return [tuple(record.node for record in result.records) for result in results]


@pytest.mark.timeout(300)  # about 30 s of one free core
def test_every_record_is_found_after_30_percent_left_and_republish_ran() -> None:
    world = World(seed=1)
    rng = random.Random(2)
    times = {"record_ttl": TTL, "dht": DhtSettings(ttl=TTL)}
    bootstrap = world.add(EngineSettings(Mode.BOOTSTRAP, "bootstrap", REALM, **times))  # type: ignore[arg-type]
    ways_in = (Bootstrap(bootstrap.address),)
    for number in range(1, NODES):
        world.add(EngineSettings(Mode.EDGE, f"edge-{number}", REALM, bootstraps=ways_in, **times))  # type: ignore[arg-type]
        world.run(0.05)
    world.run(2.0)
    assert all(node.engine.ready for node in world.nodes)

    edges = world.nodes[1:]
    procedures = {edge.node_id: f"io.test.procedure-{number}" for number, edge in enumerate(edges)}
    commands = [(edge, edge.command(Advertise(procedures[edge.node_id], False))) for edge in edges]
    world.run_until(lambda: all(id_ in edge.completed for edge, id_ in commands), 5.0)
    assert all(edge.completed[id_].error is None for edge, id_ in commands)

    leavers = rng.sample(edges, NODES * 3 // 10)
    graceful, dying = leavers[::2], leavers[1::2]
    stops = [(edge, edge.command(Shutdown(5.0))) for edge in graceful]
    for edge in dying:
        edge.kill()
    world.run_until(lambda: all(id_ in edge.completed for edge, id_ in stops), 5.1)
    for edge in graceful:
        edge.kill()
    survivors = [edge for edge in edges if edge.alive]
    assert (len(leavers), len(survivors)) == (60, 139)
    withdrawn = [procedures[edge.node_id] for edge in graceful]
    assert look_up(world, rng.choices(survivors, k=30), withdrawn) == [()] * 30

    world.run(TTL + 10.0)
    advertised = [procedures[edge.node_id] for edge in survivors]
    assert look_up(world, rng.choices(survivors, k=139), advertised) == [(edge.node_id,) for edge in survivors]
    expired = [procedures[edge.node_id] for edge in dying]
    assert look_up(world, rng.choices(survivors, k=30), expired) == [()] * 30
