"""Rows of a matrix, without a lab."""

from macula_lab.matrix.cells import NAMED, Cell, Kind
from macula_lab.matrix.outcome import Answer, Calls, Events, Row


def cell(first: str, second: str) -> Cell:
    """A pair of kinds of the matrix."""
    return Cell(Kind(first, NAMED[first]), Kind(second, NAMED[second]))


def calls(*paths: str, latency_ms: float = 5.0) -> Calls:
    """A call every 50 ms, by these paths; one with a ! is an error's code."""
    answers = []
    for number, path in enumerate(paths):
        failed = path.startswith("!")
        answers.append(Answer(number / 20, error=path[1:]) if failed else Answer(number / 20, latency_ms, path))
    return Calls(tuple(answers))


def good(first: str, second: str) -> Row:
    """A pair that ended on the path that it had to end on, after half a second by a relay."""
    pair = cell(first, second)
    spoken = calls(*["relayed"] * 10, *[pair.expected] * 50)
    return Row(pair, spoken, spoken, Events(60, tuple(range(1, 61))), 3.9)
