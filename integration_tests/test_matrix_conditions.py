"""Two nodes that start at the same time or not, and behind routers that a packet too early spoils (input=accept)."""

import pytest

from labs import Labs
from macula_lab.engines.contract import Engine
from macula_lab.lab import NETNS
from macula_lab.matrix.cells import Cell, kinds, quirky
from macula_lab.matrix.conditions import Conditions
from macula_lab.matrix.outcome import Row
from macula_lab.matrix.traffic import talk

(PLAIN,) = kinds(["port_restricted"])


@pytest.fixture(scope="module")
def pair(labs: Labs) -> Engine:
    """compose/nat-pair.yaml, for tests that make its routers other NATs and start its edges anew."""
    return labs.up(NETNS, "nat-pair", MACULA_LOG_LEVEL="debug")


def told(row: Row) -> Row:
    print(f"{row.cell.title}: {row.path} after {row.forth.reached_s} s")
    return row


@pytest.mark.parametrize("skew_ms", [0, 50, 600])
def test_two_nodes_meet_however_far_apart_they_start(pair: Engine, skew_ms: int) -> None:
    row = told(talk(pair, Cell(PLAIN, PLAIN), Conditions(skew=skew_ms / 1000)))

    assert row.path == "direct"
    assert row.findings == []


@pytest.mark.parametrize("cell", [Cell(quirky(PLAIN), PLAIN), Cell(PLAIN, quirky(PLAIN))], ids=lambda cell: cell.title)
def test_a_nat_that_is_spoiled_by_what_comes_too_early_is_opened_first(pair: Engine, cell: Cell) -> None:
    row = told(talk(pair, cell))

    assert row.path == "direct"
    assert row.findings == []


def test_behind_two_such_nats_nothing_is_lost_whether_their_packets_cross_or_not(pair: Engine) -> None:
    """On links without a delay whichever packet is first arrives before the other has left: it stays relayed."""
    assert told(talk(pair, Cell(quirky(PLAIN), quirky(PLAIN)))).findings == []
