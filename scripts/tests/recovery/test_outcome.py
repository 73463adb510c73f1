import json
import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from macula_lab.errors import LabError
from macula_lab.mesh.expectation import Path
from macula_lab.recovery.faults import FAULTS, RELAY, Fault, chosen
from macula_lab.recovery.outcome import Events, Row, Run, Turn, silence

FAULT = Fault("nat-reboot", "port_restricted", "port_restricted", ("nat-reboot", "nat_a"), 3.0)
LASTING = replace(FAULT, lasts=60.0, undo=("resume", "edge_a"))
STRUCK = 100.0
EVENTS = Events(frozenset(range(20)), tuple(range(20)))


def turns(begin: float, end: float, path: str = Path.DIRECT, error: str = "") -> list[Turn]:
    """Calls every 50 ms that take 5 ms."""
    return [Turn(begin + n / 20, begin + n / 20 + 0.005, path, error) for n in range(round((end - begin) * 20))]


def run(forth: Sequence[Turn], back: Sequence[Turn] = (), fault: Fault = FAULT, events: Events = EVENTS) -> Run:
    back = back or turns(95.0, 110.0)
    return Run(fault, STRUCK, STRUCK + fault.lasts, tuple(forth), tuple(back), events)


def test_what_nobody_noticed_took_no_time() -> None:
    made = run(turns(95.0, 110.0))
    assert (made.silent, made.settled, made.after, made.findings) == (0.0, 0.0, Path.DIRECT, [])
    assert made.recovered and not made.lost


def test_the_time_counts_from_the_first_call_that_waits_to_the_last_one() -> None:
    relayed = [Turn(100.1, 101.3, Path.RELAYED), *turns(101.3, 102.0, Path.RELAYED), Turn(102.0, 102.6, Path.RELAYED)]
    made = run([*turns(95.0, 100.1), *relayed, *turns(102.6, 105.0)])
    assert made.silent == pytest.approx(2.5)
    assert made.settled == pytest.approx(2.6), "from the fault until the path is the one that it should be"
    assert made.recovered


def test_what_was_late_before_the_fault_does_not_count() -> None:
    assert run([Turn(95.0, 96.0, Path.DIRECT), *turns(96.0, 110.0)]).silent == 0.0


def test_the_direction_that_waits_longer_counts() -> None:
    slow = [*turns(95.0, 100.0), Turn(100.0, 100.9, Path.DIRECT), *turns(100.9, 105.0)]
    assert run(turns(95.0, 105.0), slow).silent == pytest.approx(0.9)


def test_a_lost_call_lasts_until_the_next_answer() -> None:
    lost = Turn(100.0, 100.5, error="disconnected")
    made = run([*turns(95.0, 100.0), lost, Turn(100.5, 101.2, Path.DIRECT), *turns(101.2, 103.0)])
    assert made.silent == pytest.approx(1.2)
    assert made.lost == {"disconnected": 1} and not made.hung and made.findings == []


def test_who_is_never_answered_again_has_not_recovered() -> None:
    made = run([*turns(95.0, 100.0), Turn(100.0, 110.0, error="timeout")])
    assert made.silent == math.inf and made.settled is None
    assert made.findings == ["not answered again within 15 s", "1 calls hung"]
    assert json.loads(json.dumps(made.plain()))["silent_s"] is None
    assert silence([], STRUCK, STRUCK) == math.inf


def test_of_a_fault_that_lasts_only_the_time_after_it_counts() -> None:
    during = [Turn(100.0 + 10 * n, 110.0 + 10 * n - 0.1, error="timeout") for n in range(6)]
    made = run([*turns(95.0, 100.0), *during, Turn(159.9, 160.7, Path.DIRECT), *turns(160.7, 165.0)], fault=LASTING)
    made = replace(made, back=tuple(turns(95.0, 165.0)))
    assert made.silent == pytest.approx(0.7)
    assert (made.lost, made.hung, made.findings) == ({"timeout": 6}, 0, [])


def test_a_call_that_times_out_after_the_fault_is_over_has_hung() -> None:
    late = Turn(155.0, 165.0, error="timeout")
    made = run([*turns(95.0, 155.0), late, *turns(165.0, 170.0)], turns(95.0, 170.0), fault=LASTING)
    assert made.hung == 1 and made.findings == ["1 calls hung"]


@pytest.mark.parametrize(
    ("events", "told"),
    [
        (Events(frozenset({0, 1, 2}), (0, 2)), "1 acknowledged events lost"),
        (Events(frozenset({0, 1, 2}), (0, 1, 1, 2)), "1 acknowledged events repeated"),
        (Events(frozenset({0, 1}), (0, 2)), "1 acknowledged events lost"),
        (Events(), "no event was acknowledged"),
    ],
)
def test_events_are_told_by_their_numbers(events: Events, told: str) -> None:
    assert run(turns(95.0, 110.0), events=events).findings == [told]


def test_a_call_may_only_end_as_disconnected() -> None:
    made = run([*turns(95.0, 100.0), Turn(100.0, 100.1, error="not_found"), *turns(100.1, 110.0)])
    assert made.findings == ["calls ended as not_found"]


def test_a_row_tells_ranks_and_what_is_late() -> None:
    delayed = [run([Turn(100.0, 100.0 + n, Path.DIRECT), *turns(104.0, 105.0)]) for n in (1, 2, 3)]
    row = Row(FAULT, (*delayed, run(turns(95.0, 110.0))))
    assert (row.silent(0.5), row.silent(0.95), row.late, row.findings) == (1.0, 3.0, False, [])
    assert replace(row, fault=replace(FAULT, bound=2.9)).late
    untried = replace(row, runs=(*row.runs, Run(FAULT, 0.0, 0.0, trouble="edge_a was not ready")))
    assert untried.late and untried.findings == ["edge_a was not ready"]
    assert json.loads(json.dumps(untried.plain()))["p95_s"] is None


def test_the_faults_of_the_table() -> None:
    names = {"nat-reboot", "wan-change", "roam", "relay-death", "mapping-expiry", "pause"}
    assert {fault.name for fault in FAULTS} == {fault.name for fault in chosen([])} == names
    with pytest.raises(LabError, match="there is no fault 'flood'"):
        chosen(["flood"])
    assert [fault.event for fault in chosen(["relay-death"])] == [("kill", RELAY)] * 2
    assert len({fault.title for fault in FAULTS}) == len(FAULTS)
