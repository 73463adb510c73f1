import json
from dataclasses import replace

import pytest

from macula_lab.matrix.cells import Cell, kinds, quirky
from macula_lab.matrix.outcome import Answer, Calls, Events, Row
from macula_lab.matrix.outcome import calls as read
from matrix_builders import calls, cell, good


def test_what_the_node_prints_is_read() -> None:
    lines: list[dict[str, object]] = [
        {"number": 1, "at_s": 0.0, "path": "relayed", "latency_ms": 40.0},
        {"number": 2, "at_s": 0.05, "error": {"code": "timeout", "message": "late"}},
        {"summary": {"asked": 2}},
    ]
    assert read(lines) == Calls((Answer(0.0, 40.0, "relayed"), Answer(0.05, error="timeout", reason="late")))


def test_the_path_is_the_one_that_the_last_answers_agree_on() -> None:
    spoken = calls(*["relayed"] * 8, *["direct"] * 12)
    assert (spoken.path, spoken.reached_s, spoken.first_ms) == ("direct", 0.4, 5.0)
    assert calls("direct", *["relayed", "direct"] * 6).path == "direct and relayed"
    assert calls().path == "none" and calls().reached_s is None and calls().first_ms is None


def test_the_first_reply_counts_from_the_first_call() -> None:
    assert calls("!timeout", "!timeout", "relayed", latency_ms=30.0).first_ms == pytest.approx(130.0)


def test_a_good_pair_has_no_findings() -> None:
    for row in (good("none", "symmetric"), good("port_restricted", "symmetric"), good("symmetric", "symmetric")):
        assert row.findings == []
        assert json.loads(json.dumps(row.plain()))["path"] == row.cell.expected


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"forth": calls(*["relayed"] * 20)}, "relayed / direct, and not direct"),
        ({"back": calls(*["direct"] * 10, "!timeout", *["direct"] * 20)}, "of 31 calls back failed 1 timeout"),
        ({"events": Events(3, (1, 2))}, "1 of 3 events lost"),
        ({"events": Events(3, (1, 2, 2, 3))}, "1 of 3 events repeated"),
        ({"events": Events(3, (1, 3, 2))}, "1 events out of order"),
        ({"events": Events(0, ())}, "no event was acknowledged"),
        ({"trouble": "edge_a did not enter the mesh"}, "edge_a did not enter the mesh"),
    ],
)
def test_each_thing_that_must_not_be_is_found(change: dict[str, object], told: str) -> None:
    row: Row = replace(good("none", "none"), **change)  # type: ignore[arg-type]
    assert [finding for finding in row.findings if finding.startswith(told)] == row.findings != []


def test_where_packets_must_cross_either_path_will_do_but_nothing_may_be_lost() -> None:
    spoils = Cell(*map(quirky, kinds(["port_restricted", "port_restricted"])))
    for path in ("direct", "relayed"):
        spoken = calls(*[path] * 20)
        assert Row(spoils, spoken, spoken, Events(1, (1,)), 1.0).findings == []
    assert Row(spoils, spoken, spoken, Events(2, (1,)), 1.0).findings == ["1 of 2 events lost"]


def test_a_wrong_success_is_a_finding_too() -> None:
    spoken = calls(*["direct"] * 20)
    row = Row(cell("symmetric", "symmetric"), spoken, spoken, Events(1, (1,)), 1.0)
    assert row.findings[0].startswith("direct, and not relayed: both NATs take new ports")
