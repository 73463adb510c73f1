"""What benchmarks found, as a table with the goals beside, and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        return f"{'<=' if self.at_most else '>='} {_short(self.limit)}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing that was measured, over all rounds; of one system, if others were measured beside it."""

    name: str
    unit: str
    median: float
    least: float
    most: float
    goal: Goal | None = None
    system: str = ""


def figure(name: str, unit: str, values: Sequence[float], goal: Goal | None = None, system: str = "") -> Figure:
    """Of the values of all rounds."""
    return Figure(name, unit, median(values), min(values), max(values), goal, system)


def compared(name: str, unit: str, values: Mapping[str, Sequence[float]]) -> list[Figure]:
    """The same of several systems."""
    return [figure(name, unit, of_system, system=system) for system, of_system in values.items()]


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


def show(results: Sequence[Result], left_out: Mapping[str, str], install: str) -> None:
    """Tables for people: what was measured side by side, then the rest with the goals."""
    console = Console(highlight=False)
    systems = list(dict.fromkeys(one.system for result in results for one in result.figures if one.system))
    if systems:
        beside = _table("median, half the range", *systems)
        for result in results:
            for (name, unit), of_systems in side_by_side(result).items():
                cells = [_with_spread(of_systems[system]) if system in of_systems else "" for system in systems]
                beside.add_row(f"{result.benchmark}: {name}, {unit}", *cells)
        console.print(beside)
        console.print()
    table = _table("", "median", "range", "unit", "goal")
    for result in results:
        table.add_row(f"[bold]{result.benchmark}[/]")
        for one in (one for one in result.figures if not one.system):
            spread = "" if one.least == one.most else f"{_short(one.least)} - {_short(one.most)}"
            goal = "" if one.goal is None else f"{one.goal} {_word(one.goal.met(one.median))}"
            table.add_row(f"  {one.name}", _short(one.median), spread, one.unit, goal)
    console.print(table)
    for name, what in left_out.items():
        console.print(f"left out: {name}, which needs {what}; next: {install}")


def side_by_side(result: Result) -> dict[tuple[str, str], dict[str, Figure]]:
    """What was measured of several systems, by name and unit."""
    found: dict[tuple[str, str], dict[str, Figure]] = {}
    for one in result.figures:
        if one.system:
            found.setdefault((one.name, one.unit), {})[one.system] = one
    return found


def _table(first: str, *columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column(first)
    for column in columns:
        table.add_column(column, justify="left" if column in ("unit", "goal") else "right", no_wrap=True)
    return table


def _with_spread(one: Figure) -> str:
    share = round(50 * (one.most - one.least) / one.median) if one.median else 0
    return f"{_short(one.median)}\n[dim]±{share}%[/]"


def _word(met: bool) -> str:
    return "met" if met else "[bold]missed[/]"


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
