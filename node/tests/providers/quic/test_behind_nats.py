"""Connections that begin at a relay and become direct, through simulated NATs, with real QUIC packets."""

from __future__ import annotations

from itertools import pairwise

import pytest

from macula.core.address import Address
from macula.sim.datagrams import Link
from macula.wire.messages import Publish

from .behind_nats import World


def assert_all_arrived(world: World, count: int) -> None:
    for node in (world.a, world.b):
        assert not node.lost
        assert node.numbers() == list(range(1, count + 1))


@pytest.mark.parametrize(
    ("a", "b", "direct"),
    [
        ("port_restricted", "port_restricted", True),
        ("symmetric", "restricted", True),
        ("port_restricted", "symmetric_sequential", True),
        ("symmetric_sequential", "symmetric_sequential", True),
        ("symmetric", "port_restricted", False),
    ],
)
def test_a_relayed_connection_becomes_direct_without_losing_a_message(a: str, b: str, direct: bool) -> None:
    world = World(a, b)
    began = world.clock.now
    world.connect()
    assert not world.a.routes
    world.load(400, 0.005)
    world.run(4.0)
    assert_all_arrived(world, 400)
    for node in (world.a, world.b):
        assert [isinstance(route, Address) for _, route in node.routes] == [True] * direct
    if direct:
        # The handshake and the first messages through the relay, and then what punching takes.
        assert max(node.routes[0][0] for node in (world.a, world.b)) - began < 0.5
        before = world.relay.endpoint.relayed.bytes
        world.load(200, 0.005)
        world.run(2.0)
        assert world.relay.endpoint.relayed.bytes - before < 2000


@pytest.mark.parametrize("moves", [False, True])
def test_a_nat_that_reboots_under_load_costs_no_message(moves: bool) -> None:
    world = World("port_restricted", "port_restricted")
    world.connect()
    world.run(2.0)
    assert world.a.routes
    world.load(1200, 0.005)
    world.run(1.0)
    rebooted = world.clock.now
    world.a.box.reboot("203.0.113.77" if moves else None)
    world.run(0.5)
    world.a.know()
    world.run(9.0)
    assert_all_arrived(world, 1200)
    for node in (world.a, world.b):
        after = [(at - rebooted, route) for at, route in node.routes if at > rebooted]
        # Without another address the NAT gives the old port again to whoever sends first.
        assert bool(after) is moves
        assert all(at < 1.5 for at, _ in after)
        assert isinstance(node.routes[-1][1], Address)


@pytest.mark.parametrize(("delay", "bound"), [(0.01, 1.0), (0.05, 3.0)])
@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("port_restricted", "port_restricted"),
        ("port_restricted", "symmetric_sequential"),
        ("symmetric_sequential", "symmetric_sequential"),
    ],
)
def test_no_message_waits_long_when_a_nat_reboots(delay: float, bound: float, a: str, b: str) -> None:
    """Round trips of 40 and 200 ms, to the relay and to each other. Steady traffic hides no dead path."""
    world = World(a, b, link=Link(delay))
    world.connect()
    world.run(3.0)
    world.load(250, 0.02)
    world.run(1.0)
    world.b.box.reboot("203.0.113.77")
    world.run(0.5)
    world.b.know()
    world.run(5.5)
    assert_all_arrived(world, 250)
    for node in (world.a, world.b):
        came = [at for at, message in node.arrivals if isinstance(message, Publish)]
        assert max(after - before for before, after in pairwise(came)) < bound
