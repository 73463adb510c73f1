"""Two nodes behind each pair of NATs, on both engines: the path that they end on, and nothing lost on the way there."""

import pytest

from labs import Labs
from macula_lab.engines.contract import Engine
from macula_lab.lab import DOCKER, NETNS
from macula_lab.matrix.cells import Cell, kinds
from macula_lab.matrix.traffic import talk

PAIRS = [
    ("none", "symmetric"),
    ("symmetric", "none"),
    ("full_cone", "port_restricted"),
    ("restricted", "symmetric"),
    ("adm", "restricted"),
    ("port_restricted", "port_restricted"),
    ("port_restricted", "symmetric"),
    ("port_restricted", "symmetric_sequential"),
    ("symmetric_sequential", "symmetric_sequential"),
    ("cgnat", "port_restricted"),
    ("symmetric", "adm"),
    ("udp_blocked", "port_restricted"),
]
"""At least one for each of the nine kinds, and one for each way in which two can meet or cannot."""


@pytest.fixture(scope="module", params=[NETNS, DOCKER])
def pair(request: pytest.FixtureRequest, labs: Labs) -> Engine:
    """compose/nat-pair.yaml on each engine, for tests that make its routers other NATs and start its edges anew."""
    # A lab of its own: others with the same variables share one, whose edges must not be started anew.
    return labs.up(request.param, "nat-pair", MACULA_LOG_LEVEL="debug")


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_two_nodes_meet_as_their_nats_allow_and_lose_nothing(pair: Engine, first: str, second: str) -> None:
    row = talk(pair, Cell(*kinds([first, second])))

    print(f"{row.cell.title} on {pair.name}: {row.path} after {row.forth.reached_s} s")
    assert row.findings == []
