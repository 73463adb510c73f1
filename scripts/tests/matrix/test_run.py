from io import StringIO
from typing import cast

import pytest
from rich.console import Console

from macula_lab.engines.contract import Engine
from macula_lab.errors import LabError
from macula_lab.matrix.cells import Cell, cells, kinds
from macula_lab.matrix.conditions import PLAIN, Conditions
from macula_lab.matrix.outcome import Row
from macula_lab.matrix.page import render
from macula_lab.matrix.run import Matrix, run
from macula_lab.matrix.table import findings, table
from macula_lab.router.link.spec import LinkSpec
from matrix_builders import calls, good


class FakeEngine:
    name = "netns"


LABS = [cast("Engine", FakeEngine()), cast("Engine", FakeEngine())]
PAIRS = list(cells(kinds(["none", "port_restricted", "symmetric"])))


def look(lab: Engine, cell: Cell, conditions: Conditions) -> Row:
    return good(cell.first.name, cell.second.name)


def test_every_pair_is_tried_once_and_told_in_the_order_that_was_asked_for() -> None:
    shown: list[Row] = []
    matrix = run(LABS, PAIRS, shown.append, look=look)
    assert [row.cell for row in matrix.rows] == PAIRS
    assert sorted(row.cell.title for row in shown) == sorted(cell.title for cell in PAIRS)
    assert matrix.plain()["ok"] and not matrix.wrong


def test_a_pair_is_tried_as_often_as_it_is_named_under_the_conditions() -> None:
    asked: list[Conditions] = []

    def told(lab: Engine, cell: Cell, conditions: Conditions) -> Row:
        asked.append(conditions)
        return look(lab, cell, conditions)

    lossy = Conditions(LinkSpec(delay=15, loss=2))
    matrix = run(LABS, PAIRS * 3, lambda row: None, lossy, told)
    assert [row.cell for row in matrix.rows] == PAIRS * 3
    assert asked == [lossy] * 27 and matrix.conditions == lossy
    tries = matrix.tries("none", "symmetric")
    assert tries is not None and (len(tries.rows), tries.path, tries.wrong) == (3, "direct", 0)
    assert matrix.tries("none", "cgnat") is None


def test_what_cannot_be_tried_ends_it() -> None:
    def refuse(lab: Engine, cell: Cell, conditions: Conditions) -> Row:
        raise LabError(f"{cell.title}: no such NAT")

    with pytest.raises(LabError, match="no such NAT"):
        run(LABS, PAIRS, lambda row: None, look=refuse)


def failed(conditions: Conditions = PLAIN, times: int = 1) -> Matrix:
    """All well, each tried so often, but for one pair in its first try."""
    failures = iter([True])

    def fail(lab: Engine, cell: Cell, conditions: Conditions) -> Row:
        row = look(lab, cell, conditions)
        if cell.title != "none x symmetric" or not next(failures, False):
            return row
        relayed = calls(*["relayed"] * 60)
        return Row(cell, relayed, relayed, row.events, row.seconds)

    return run(LABS, PAIRS * times, lambda row: None, conditions, fail)


def test_where_packets_vanish_a_direct_path_may_be_missed_once_in_a_while() -> None:
    lossy = Conditions(LinkSpec(delay=15, loss=2))
    assert not failed(times=20).ok
    assert failed(lossy, 20).ok and failed(lossy, 20).wrong
    assert not failed(lossy).ok


def test_the_table_shows_each_path_and_marks_what_is_wrong() -> None:
    out = StringIO()
    Console(file=out, width=160).print(table(failed()))
    shown = out.getvalue()
    assert "relayed 0.0 !" in shown and shown.count("direct 0.5") == 5 and shown.count("!") == 1
    assert findings(failed()) == [
        "none x symmetric: relayed, and not direct: the first NAT lets everybody in where it was seen"
    ]


def test_the_page_shows_it_at_a_glance_and_loads_nothing() -> None:
    page = render(failed())
    assert "goal: at most 4 relay round trips" not in page and "5 of 6 (83.3 %)" in page
    assert page.count('class="wrong"') == 1 and page.count('class="direct"') == 5 and page.count('class="relayed"') == 3
    assert "1 not as predicted" in page and 'href="#none-symmetric"' in page and 'id="none-symmetric"' in page
    assert "http" not in page and "<script" not in page
