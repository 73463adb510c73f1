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
from macula_lab.matrix.conditions import PLAIN, Conditions
from macula_lab.matrix.outcome import Row
from macula_lab.matrix.summary import Summary, Tries
from macula_lab.matrix.traffic import talk


@dataclass(frozen=True, slots=True)
class Matrix:
    """Every try of every pair, in the order in which they were asked for."""

    engine: str
    rows: tuple[Row, ...]
    seconds: float
    time: float
    """Unix time at its end"""
    conditions: Conditions = PLAIN

    @property
    def wrong(self) -> list[Row]:
        """Tries with findings."""
        return [row for row in self.rows if row.findings]

    @property
    def ok(self) -> bool:
        """Whether all is as it must be, where packets vanish but for so many direct paths as may be missed then."""
        summary = self.summary
        return all(row.unlucky and not self.conditions.clean for row in self.wrong) and summary.enough

    @property
    def summary(self) -> Summary:
        """All tries in a few numbers."""
        return Summary(self.rows, self.conditions)

    def tries(self, first: str, second: str) -> Tries | None:
        """What came of a pair, by the names of its kinds."""
        wanted = (first, second)
        found = tuple(row for row in self.rows if (row.cell.first.name, row.cell.second.name) == wanted)
        return Tries(found) if found else None

    @property
    def names(self) -> list[str]:
        """The kinds in it, in their order."""
        return list(dict.fromkeys(name for row in self.rows for name in (row.cell.first.name, row.cell.second.name)))

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "engine": self.engine,
            "conditions": str(self.conditions),
            "seconds": round(self.seconds, 1),
            "ok": self.ok,
            "summary": self.summary.plain(),
            "cells": [row.plain() for row in self.rows],
        }


def run(
    labs: Sequence[Engine],
    cells: Sequence[Cell],
    show: Callable[[Row], None],
    conditions: Conditions = PLAIN,
    look: Callable[[Engine, Cell, Conditions], Row] = talk,
) -> Matrix:
    """Try the pairs, each as often as it is named, in labs of compose/nat-pair.yaml that are up and whose links are
    set; `show` gets each row when it is done.

    Raises LabError for what cannot be tried.
    """
    begin = time.monotonic()
    waiting = deque(enumerate(cells))
    done: dict[int, Row] = {}
    turn = threading.Lock()

    def work(lab: Engine) -> None:
        try:
            while waiting:
                number, cell = waiting.popleft()
                row = look(lab, cell, conditions)
                with turn:
                    done[number] = row
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
    rows = tuple(done[number] for number in range(len(cells)))
    return Matrix(labs[0].name, rows, time.monotonic() - begin, time.time(), conditions)
