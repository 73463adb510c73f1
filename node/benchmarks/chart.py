"""The picture of what was measured side by side: every system's median in floors, as SVG that loads nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pygal

from benchmarks.results import Result, side_by_side
from benchmarks.systems import FLOOR

_ROW = 110
"""Pixels."""


def draw(results: Sequence[Result], to: Path) -> None:
    """One row for each measurement that the floor has a value of."""
    rows = {
        f"{result.benchmark}: {name}, {unit}": {system: one.median for system, one in of_systems.items()}
        for result in results
        for (name, unit), of_systems in side_by_side(result).items()
        if FLOOR in of_systems
    }
    systems = list(dict.fromkeys(system for values in rows.values() for system in values))
    chart = pygal.HorizontalBar(
        title=f"Medians as multiples of the floor ({FLOOR}), logarithmic",
        logarithmic=True,
        # It would otherwise load a script for tooltips from elsewhere.
        js=[],
        width=1100,
        height=200 + _ROW * len(rows),
        value_formatter=lambda value: f"{value:.2f}",
        print_values=True,
        truncate_label=-1,
        legend_at_bottom=True,
    )
    chart.x_labels = list(rows)
    for system in systems:
        chart.add(system, [values[system] / values[FLOOR] if system in values else None for values in rows.values()])
    to.write_bytes(chart.render())
