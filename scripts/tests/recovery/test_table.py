from io import StringIO

from rich.console import Console

from macula_lab.recovery.faults import FAULTS
from macula_lab.recovery.outcome import Events, Row, Run, Turn
from macula_lab.recovery.table import table, wrong

FAULT = FAULTS[0]


def made(waited: float, error: str = "") -> Row:
    spoken = (Turn(10.0, 10.0 + waited, FAULT.path, error), Turn(20.0, 20.005, FAULT.path))
    return Row(FAULT, (Run(FAULT, 9.9, 9.9, spoken, spoken, Events(frozenset({0}), (0, 0))),))


def printed(rows: list[Row]) -> str:
    out = StringIO()
    Console(file=out, width=200, highlight=False).print(table(rows))
    return out.getvalue()


def test_a_line_has_the_times_beside_their_bound_and_what_was_lost() -> None:
    line = next(line for line in printed([made(1.25, "disconnected")]).splitlines() if FAULT.name in line)
    cells = [cell.strip() for cell in line.strip("│ ").split("│")]
    assert cells[:4] == [FAULT.name, f"{FAULT.first} x {FAULT.second}", FAULT.path, FAULT.path]
    assert cells[4:] == ["1", "10.00", "10.00 !", "3.00", "4", "2 disconnected", "0", "1, 0 lost, 1 repeated"]


def test_what_was_not_late_is_not_marked() -> None:
    assert " 0.50 !" not in printed([made(0.5)])
    assert wrong([made(0.5)]) == [f"{FAULT.title}: 1 acknowledged events repeated"]


def test_what_was_wrong_names_the_fault_and_how_late_it_was() -> None:
    (told,) = wrong([made(1.25, "disconnected")])

    assert told.startswith(f"{FAULT.title}: 1 acknowledged events repeated; silent for 10.00 s (p95)")
