"""The matrix for a terminal."""

from rich.table import Table

from macula_lab.matrix.outcome import Row
from macula_lab.matrix.run import Matrix
from macula_lab.mesh.expectation import Path


def table(matrix: Matrix) -> Table:
    """Who calls in the lines, who is called in the columns; the path, and after how long it was reached."""
    made = Table(title="Which path two peers end on, and after how many seconds", title_justify="left")
    made.add_column("from \\ to")
    for name in matrix.names:
        made.add_column(name)
    for first in matrix.names:
        found = [matrix.row(first, second) for second in matrix.names]
        made.add_row(first, *("" if row is None else _cell(row) for row in found))
    return made


def findings(matrix: Matrix) -> list[str]:
    """What is wrong, a line each."""
    return [f"{row.cell.title}: {'; '.join(row.findings)}" for row in matrix.wrong]


def _cell(row: Row) -> str:
    words = row.path if row.forth.reached_s is None else f"{row.path} {row.forth.reached_s:.1f}"
    if row.findings:
        return f"[red]{words} ![/red]"
    return f"[green]{words}[/green]" if row.path == Path.DIRECT else words
