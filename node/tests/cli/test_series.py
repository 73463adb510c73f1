from __future__ import annotations

import threading
from typing import Any

from macula.cli.series import Turn, ask_in_turn, in_words, summarize


def turn(number: int, path: str, latency: float) -> Turn:
    return Turn(number, number / 10, {"path": path, "latency_ms": latency})


def test_paths_are_told_in_their_order_with_when_they_began() -> None:
    lost = Turn(4, 0.4, error={"code": "timeout", "message": "no answer"})
    turns = [turn(1, "relayed", 90.0), turn(2, "relayed", 80.0), turn(3, "direct", 5.0), lost, turn(5, "direct", 6.0)]
    summary = summarize([*turns, turn(6, "relayed", 70.0)])
    assert summary == {
        "asked": 6,
        "failed": {"timeout": 1},
        "median_ms": 70.0,
        "p99_ms": 80.0,
        "paths": [
            {"path": "relayed", "from_s": 0.1, "answers": 2},
            {"path": "direct", "from_s": 0.3, "answers": 2},
            {"path": "relayed", "from_s": 0.6, "answers": 1},
        ],
    }
    assert in_words(summary) == (
        "6 asked, 1 timeout failed; median 70.0 ms, p99 80.0 ms; "
        "relayed from 0.1 s (2); direct from 0.3 s (2); relayed from 0.6 s (1)"
    )


def test_a_series_of_which_nothing_came_has_no_latency() -> None:
    summary = summarize([Turn(1, 0.0, error={"code": "timeout", "message": ""})])
    assert summary == {"asked": 1, "failed": {"timeout": 1}, "median_ms": None, "p99_ms": None, "paths": []}
    assert in_words(summary) == "1 asked, 1 timeout failed"


def test_a_series_goes_on_while_some_are_without_an_answer() -> None:
    last = threading.Event()

    def held(number: int) -> dict[str, Any]:
        if number == 4:
            last.set()
        assert number != 1 or last.wait(10), "the first one is answered when the last one is asked"
        return {"number": number}

    turns = list(ask_in_turn(4, 0.0, held, at_once=2))
    assert [turn.number for turn in turns][:2] == [2, 3]
    assert {turn.number for turn in turns} == {1, 2, 3, 4}
