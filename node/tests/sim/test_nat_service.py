"""Whole engines find out what they are behind; in the simulated network of messages that is nothing."""

from __future__ import annotations

from macula.core.address import Address
from macula.core.commands import NatDetails, Status
from macula.core.mode import Mode
from macula.engine import Bootstrap, EngineSettings
from macula.nat.info import NatInfo, NatType
from macula.nat.settings import NatSettings
from macula.sim.world import World


def test_an_edge_asks_the_bootstrap_and_whom_that_names() -> None:
    world = World(3)
    first = world.next_address()
    answers = NatSettings(answers=True, measures=True)
    bootstrap = world.add(EngineSettings(Mode.BOOTSTRAP, "b", "io.test", nat=answers))
    way_in = (Bootstrap(first),)
    gateway = world.add(EngineSettings(Mode.GATEWAY, "g", "io.test", bootstraps=way_in, nat=answers))
    world.run(5.0)
    measures = NatSettings(measures=True, bootstraps=(first,))
    edge = world.add(EngineSettings(Mode.EDGE, "e", "io.test", bootstraps=way_in, nat=measures))
    world.run(10.0)

    info: NatInfo = world.ask(edge, NatDetails(refresh=False))

    assert info.type is NatType.NONE
    assert info.public == edge.address
    assert set(info.observers) == {bootstrap.address, gateway.address}
    assert world.ask(edge, Status()).nat == f"none, seen at {edge.address}"
    again: NatInfo = world.ask(edge, NatDetails(refresh=True))
    assert again.at > info.at
    assert again.mapping == info.mapping


def test_a_node_that_does_not_measure_sends_nothing_and_says_that_it_does_not_know() -> None:
    world = World(3)
    alone = world.add(EngineSettings(Mode.EDGE, "e", "io.test", bootstraps=(Bootstrap(Address("10.0.0.9", 9443)),)))
    world.run(10.0)

    info: NatInfo = world.ask(alone, NatDetails(refresh=True))

    assert (info.type, info.observers) == (NatType.UNKNOWN, ())
    assert world.ask(alone, Status()).nat == ""
