from io import StringIO
from typing import cast

import pytest
from rich.console import Console

from macula_lab.engines.contract import Engine
from macula_lab.errors import LabError
from macula_lab.matrix.cells import Cell, cells, kinds
from macula_lab.matrix.outcome import Row
from macula_lab.matrix.page import render
from macula_lab.matrix.run import Matrix, run
from macula_lab.matrix.table import findings, table
from matrix_builders import calls, good


class FakeEngine:
    name = "netns"


LABS = [cast("Engine", FakeEngine()), cast("Engine", FakeEngine())]
PAIRS = list(cells(kinds(["none", "port_restricted", "symmetric"])))


def look(lab: Engine, cell: Cell) -> Row:
    return good(cell.first.name, cell.second.name)


def test_every_pair_is_tried_once_and_told_in_the_order_that_was_asked_for() -> None:
    shown: list[Row] = []
    matrix = run(LABS, PAIRS, shown.append, look)
    assert [row.cell for row in matrix.rows] == PAIRS
    assert sorted(row.cell.title for row in shown) == sorted(cell.title for cell in PAIRS)
    assert matrix.plain()["ok"] and not matrix.wrong


def test_what_cannot_be_tried_ends_it() -> None:
    def refuse(lab: Engine, cell: Cell) -> Row:
        raise LabError(f"{cell.title}: no such NAT")

    with pytest.raises(LabError, match="no such NAT"):
        run(LABS, PAIRS, lambda row: None, refuse)


def failed() -> Matrix:
    """All well but for one pair."""

    def fail(lab: Engine, cell: Cell) -> Row:
        row = look(lab, cell)
        if cell.title != "none x symmetric":
            return row
        relayed = calls(*["relayed"] * 60)
        return Row(cell, relayed, relayed, row.events, row.seconds)

    return run(LABS, PAIRS, lambda row: None, fail)


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
    assert page.count('class="wrong"') == 1 and page.count('class="direct"') == 5 and page.count('class="relayed"') == 3
    assert "1 not as predicted" in page and 'href="#none-symmetric"' in page and 'id="none-symmetric"' in page
    assert "http" not in page and "<script" not in page
