"""What benchmarks found, as a table with the goals beside, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.measuring import median


@dataclass(frozen=True, slots=True)
class Goal:
    """What the median should be: at most, or at least, this."""

    limit: float
    at_most: bool

    def met(self, value: float) -> bool:
        """Whether it is."""
        return value <= self.limit if self.at_most else value >= self.limit

    def __str__(self) -> str:
        return f"{'<=' if self.at_most else '>='} {self.limit:g}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing that was measured, over all rounds."""

    name: str
    unit: str
    median: float
    least: float
    most: float
    goal: Goal | None = None


def figure(name: str, unit: str, values: Sequence[float], goal: Goal | None = None) -> Figure:
    """Of the values of all rounds."""
    return Figure(name, unit, median(values), min(values), max(values), goal)


@dataclass(frozen=True, slots=True)
class Result:
    """What one benchmark found."""

    benchmark: str
    figures: tuple[Figure, ...]


def as_json(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Plain values; `met` says of each goal whether it is."""
    told = [asdict(result) for result in results]
    for result, plain in zip(results, told, strict=True):
        for one, fields in zip(result.figures, plain["figures"], strict=True):
            fields["goal"] = None if one.goal is None else {"text": str(one.goal), "met": one.goal.met(one.median)}
    return told


def show(results: Sequence[Result]) -> None:
    """A table for people."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for column in ("", "median", "range", "unit", "goal"):
        table.add_column(column, justify="right" if column in ("median", "range") else "left", no_wrap=True)
    for result in results:
        table.add_row(f"[bold]{result.benchmark}[/]")
        for one in result.figures:
            spread = "" if one.least == one.most else f"{_short(one.least)} - {_short(one.most)}"
            goal = "" if one.goal is None else f"{one.goal} {_word(one.goal.met(one.median))}"
            table.add_row(f"  {one.name}", _short(one.median), spread, one.unit, goal)
    Console(highlight=False).print(table)


def _word(met: bool) -> str:
    return "met" if met else "[bold]missed[/]"


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
