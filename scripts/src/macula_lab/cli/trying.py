"""What the commands that let faults happen several times have in common."""

import json
import sys
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from macula_lab.report import Reporter

Run = TypeVar("Run")


class Row(Protocol):
    """What is told of a fault."""

    def plain(self) -> dict[str, object]:
        """For JSON."""


def tries(report: Reporter, title: str, runs: int, once: Callable[[], Run]) -> tuple[Run, ...]:
    """What each of so many runs gave, as one step of the report."""
    with report.step(title) as show:
        made = []
        for number in range(1, runs + 1):
            show(f"{number}/{runs}")
            made.append(once())
    return tuple(made)


def tell(rows: Sequence[Row], table: Table, wrong: Sequence[str], as_json: bool) -> None:
    """Print the table and what was wrong, or all of it as JSON. Raises typer.Exit(1) if anything was."""
    if as_json:
        print(json.dumps({"ok": not wrong, "faults": [row.plain() for row in rows]}, indent=2))
    else:
        Console(highlight=False, width=None if sys.stdout.isatty() else 180).print(table)
        for finding in wrong:
            print(finding)
    if wrong:
        raise typer.Exit(1)
