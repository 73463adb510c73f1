"""The matrix for a terminal."""

from rich.table import Table

from macula_lab.matrix.run import Matrix
from macula_lab.matrix.summary import Summary, Tries
from macula_lab.mesh.expectation import Path

MARKS = {True: "[green]met[/green]", False: "[red]missed[/red]", None: ""}


def table(matrix: Matrix) -> Table:
    """Who calls in the lines, who is called in the columns; the path, and after how long it was reached."""
    title = "Which path two peers end on, and after how many seconds from the first call"
    made = Table(title=", ".join(filter(None, (title, str(matrix.conditions)))), title_justify="left")
    made.add_column("from \\ to")
    for name in matrix.names:
        made.add_column(name)
    for first in matrix.names:
        found = [matrix.tries(first, second) for second in matrix.names]
        if any(found):
            made.add_row(first, *("" if tries is None else _cell(tries) for tries in found))
    return made


def measures(summary: Summary) -> Table:
    """The summary: what was measured, what is wished, and whether that is met."""
    made = Table(box=None, show_header=False, pad_edge=False)
    for one in summary.measures:
        made.add_row(one.name, one.measured, f"[dim]goal: {one.goal}[/dim]" if one.goal else "", MARKS[one.met])
    return made


def findings(matrix: Matrix) -> list[str]:
    """What is wrong, a line each."""
    return [f"{row.cell.title}: {'; '.join(row.findings)}" for row in matrix.wrong]


def _cell(tries: Tries) -> str:
    words = tries.path if tries.reached_s is None else f"{tries.path} {tries.reached_s:.1f}"
    if tries.wrong:
        return f"[red]{words} !{f' {tries.wrong}/{len(tries.rows)}' if len(tries.rows) > 1 else ''}[/red]"
    return f"[green]{words}[/green]" if tries.path == Path.DIRECT else words
