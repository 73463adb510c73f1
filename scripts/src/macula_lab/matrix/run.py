"""The whole matrix: labs side by side, each trying one pair after the other."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from macula_lab.engines.contract import Engine
from macula_lab.matrix.cells import Cell
from macula_lab.matrix.outcome import Row
from macula_lab.matrix.traffic import talk


@dataclass(frozen=True, slots=True)
class Matrix:
    """Every pair that was tried, in the order in which they were asked for."""

    engine: str
    rows: tuple[Row, ...]
    seconds: float
    time: float
    """Unix time at its end"""

    @property
    def wrong(self) -> list[Row]:
        """Pairs with findings."""
        return [row for row in self.rows if row.findings]

    def row(self, first: str, second: str) -> Row | None:
        """The row of a pair, by the names of its kinds."""
        wanted = (first, second)
        return next((row for row in self.rows if (row.cell.first.name, row.cell.second.name) == wanted), None)

    @property
    def names(self) -> list[str]:
        """The kinds in it, in their order."""
        return list(dict.fromkeys(row.cell.first.name for row in self.rows))

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "engine": self.engine,
            "seconds": round(self.seconds, 1),
            "ok": not self.wrong,
            "cells": [row.plain() for row in self.rows],
        }


def run(
    labs: Sequence[Engine],
    cells: Sequence[Cell],
    show: Callable[[Row], None],
    look: Callable[[Engine, Cell], Row] = talk,
) -> Matrix:
    """Try the pairs in labs of compose/nat-pair.yaml that are up; `show` gets each row when it is done.

    Raises LabError for what cannot be tried.
    """
    begin = time.monotonic()
    waiting = deque(cells)
    done: dict[Cell, Row] = {}
    turn = threading.Lock()

    def work(lab: Engine) -> None:
        try:
            while waiting:
                cell = waiting.popleft()
                row = look(lab, cell)
                with turn:
                    done[cell] = row
                    show(row)
        except IndexError:
            return  # another one took the last
        except BaseException:
            waiting.clear()
            raise

    with ThreadPoolExecutor(len(labs)) as pool:
        running = [pool.submit(work, lab) for lab in labs]
        try:
            for one in running:
                one.result()
        finally:
            waiting.clear()
    rows = tuple(done[cell] for cell in cells)
    return Matrix(labs[0].name, rows, time.monotonic() - begin, time.time())
