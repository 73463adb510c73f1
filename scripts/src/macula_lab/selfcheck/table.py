"""The grid as a table."""

from collections.abc import Sequence

from rich.table import Table

from macula_lab.probe.expectation import CHECKS, expected
from macula_lab.selfcheck.grid import Row
from macula_lab.selfcheck.verdict import seen


def table(rows: Sequence[Row]) -> Table:
    """One line for each NAT: how it is called, what was to be seen, what was seen, in how many seconds."""
    made = Table(title="Every NAT as it was built and as a prober saw it", title_justify="left")
    for heading in ("group", "class", "expected", "seen"):
        made.add_column(heading, overflow="fold")
    made.add_column("ok")
    made.add_column("s", justify="right")
    group = ""
    for row in rows:
        if group and row.cell.group != group:
            made.add_section()
        first, group = ("" if row.cell.group == group else row.cell.group), row.cell.group
        ok = "[green]yes[/green]" if row.verdict.ok else "[red]NO[/red]"
        made.add_row(first, row.cell.title, wanted(row), found(row), ok, f"{row.seconds:.1f}")
    return made


def wanted(row: Row) -> str:
    """What was to be seen by the checks that were made."""
    return seen({part: word for part, word in expected(row.verdict.nat).items() if CHECKS[part] in row.cell.checks})


def found(row: Row) -> str:
    """What was seen; of a NAT that is another one, what of it was not as expected."""
    if row.verdict.ok:
        return seen(row.verdict.observed)
    return f"{seen(row.verdict.observed)}; {'; '.join(map(str, row.verdict.mismatches))}"
