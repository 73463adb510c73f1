import json
import math
from io import StringIO

import pytest
from rich.console import Console

from macula_lab.errors import LabError
from macula_lab.faults.account import Account, Call, Event
from macula_lab.faults.faults import FAULTS, chosen
from macula_lab.faults.outcome import Measure, Row, Run
from macula_lab.faults.table import table, wrong


def run(took: float, error: str = "") -> Run:
    calls = (Call(1, 0.0, 0.1, "" if error else "a", 1, error),)
    account = Account(calls, 1, {"a": (1,)}, (Event(1, 0.0, frozenset({"b"})),), {"b": (1, 1)}, frozenset())
    return Run("kill", (Measure("it is back", took, 5.0), Measure("gone", 0.0, 2.0)), account)


def lines(row: Row) -> list[list[str]]:
    out = StringIO()
    Console(file=out, width=200, highlight=False).print(table([row]))
    told = [line.strip("│").split("│") for line in out.getvalue().splitlines() if "│" in line]
    return [[cell.strip() for cell in cells] for cells in told]


def test_a_fault_has_a_line_for_each_measure_and_its_losses_once() -> None:
    first, second = lines(Row((run(1.0), run(6.0, "timeout"), run(2.0))))
    assert first == ["kill", "it is back", "2.00", "6.00 !", "5.00", "3", "1 timeout", "0", "3", "0", "3"]
    assert second[:5] == ["", "gone", "0.00", "0.00", "2.00"]


def test_what_is_late_or_lost_is_wrong_and_named() -> None:
    assert wrong([Row((run(6.0, "timeout"),))]) == [
        "kill: 1 events came again; 1 calls ended as timeout; it is back after 6.00 s"
    ]


def test_what_never_happened_is_late_and_is_null_in_json() -> None:
    told = json.loads(json.dumps(Row((run(math.inf),)).plain()))
    assert told["measures"][0] == {"what": "it is back", "median_s": None, "worst_s": None, "bound_s": 5.0}
    assert lines(Row((run(math.inf),)))[0][3] == "never !"


def test_faults_are_chosen_by_name() -> None:
    assert chosen([]) == list(FAULTS)
    assert [fault.name for fault in chosen(["pause", "kill"])] == ["kill", "pause"]
    with pytest.raises(LabError, match="there is no fault 'flood'"):
        chosen(["flood"])
