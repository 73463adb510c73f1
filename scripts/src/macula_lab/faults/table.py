"""What faults cost, for a terminal."""

import math

from rich.table import Table

from macula_lab.faults.outcome import Row

FIGURES = ("run_twice", "events_acknowledged", "events_lost", "events_repeated")
"""Of the account, as they follow the lost calls."""


def table(rows: list[Row]) -> Table:
    """A line for each thing that was measured; what took longer than it may is marked."""
    made = Table(title="Seconds that a mesh under load takes after a fault", title_justify="left")
    for name in ("fault", "measured"):
        made.add_column(name)
    for name in ("median", "worst", "bound", "calls"):
        made.add_column(name, justify="right")
    for name in ("lost", "run twice", "events", "lost", "again"):
        made.add_column(name)
    for row in rows:
        told = [
            str(row.total("asked")),
            ", ".join(f"{count} {code}" for code, count in row.lost.items()) or "0",
            *(str(row.total(what)) for what in FIGURES),
        ]
        name = row.fault
        for worst, middle in row.measures:
            mark = ("[red]", " ![/red]") if worst.late else ("", "")
            times = _seconds(middle), _seconds(worst.took).join(mark), _seconds(worst.bound)
            made.add_row(name, worst.what, *times, *told)
            name, told = "", []
    return made


def wrong(rows: list[Row]) -> list[str]:
    """What must not be, a line for each fault."""
    return [f"{row.fault}: {'; '.join(row.wrong)}" for row in rows if row.wrong]


def _seconds(took: float) -> str:
    return f"{took:.2f}" if math.isfinite(took) else "never"
