from __future__ import annotations

import json

import pytest

from benchmarks.results import Goal, Result, as_json, compared, figure, show

RESULT = Result(
    "calls",
    (
        figure("CPU, ratio", "", [1.5, 1.0, 2.5], Goal(1.8, at_most=True)),
        figure("rate", "calls/s", [12_345.6, 100.0, 20_000.0], Goal(20_000, at_most=False)),
        *compared("memory", "KiB", {"node": [3.0, 2.0, 4.0], "floor": [1.0]}),
    ),
)


def test_a_figure_has_median_and_range() -> None:
    ratio = RESULT.figures[0]
    assert (ratio.median, ratio.least, ratio.most) == (1.5, 1.0, 2.5)


@pytest.mark.parametrize(("value", "at_most", "met"), [(2.0, True, True), (2.1, True, False), (1.9, False, False)])
def test_goals_include_their_limit(value: float, at_most: bool, met: bool) -> None:
    assert Goal(2.0, at_most).met(value) is met


def test_json_says_whether_goals_are_met() -> None:
    (told,) = json.loads(json.dumps(as_json([RESULT])))
    assert told["benchmark"] == "calls"
    assert [one["goal"] for one in told["figures"]] == [
        {"text": "<= 1.8", "met": True},
        {"text": ">= 20,000", "met": False},
        None,
        None,
    ]
    assert told["figures"][1]["median"] == 12_345.6


def test_the_table_has_the_goals_beside_and_fits(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    show([RESULT], {"nats": "nats-server"}, "make bench-setup")
    rows = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "CPU, ratio 1.5 1 - 2.5 <= 1.8 met" in rows
    assert "rate 12,346 100 - 20,000 calls/s >= 20,000 missed" in rows
    assert "median, half the range node floor" in rows
    at = rows.index("calls: memory, KiB 3 1")
    assert rows[at + 1] == "±33% ±0%"
    assert "left out: nats, which needs nats-server; next: make bench-setup" in rows
