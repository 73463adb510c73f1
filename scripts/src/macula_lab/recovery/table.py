"""The faults for a terminal: how soon each was over, and what it cost."""

import math

from rich.table import Table

from macula_lab.recovery.outcome import Row


def table(rows: list[Row]) -> Table:
    """A line for each fault and pair; what took longer than it may is marked."""
    made = Table(title="Seconds until calls are answered both ways again", title_justify="left")
    for name in ("fault", "between", "path", "in the end"):
        made.add_column(name)
    for name in ("runs", "p50", "p95", "bound", "calls"):
        made.add_column(name, justify="right")
    for name in ("lost", "hung", "events"):
        made.add_column(name)
    for row in rows:
        fault, runs = row.fault, row.runs
        mark = ("[red]", " ![/red]") if row.late else ("", "")
        made.add_row(
            fault.name,
            f"{fault.first} x {fault.second}",
            fault.path,
            ", ".join(dict.fromkeys(run.after for run in runs)),
            str(len(runs)),
            _seconds(row.silent(0.5)),
            _seconds(row.silent(0.95)).join(mark),
            _seconds(fault.bound),
            str(sum(run.calls for run in runs)),
            ", ".join(f"{count} {code}" for code, count in row.lost.items()) or "0",
            str(sum(run.hung for run in runs)),
            _events(row),
        )
    return made


def wrong(rows: list[Row]) -> list[str]:
    """What must not be, a line for each fault."""
    return [f"{row.fault.title}: {'; '.join(row.wrong)}" for row in rows if row.wrong]


def _events(row: Row) -> str:
    lost, repeated = (sum(getattr(run.events, what) for run in row.runs) for what in ("lost", "repeated"))
    told = sum(len(run.events.acknowledged) for run in row.runs)
    return f"{told}" if not lost and not repeated else f"{told}, {lost} lost, {repeated} repeated"


def _seconds(took: float) -> str:
    return f"{took:.2f}" if math.isfinite(took) else "never"
