"""Verdicts as people read them, and as programs do."""

import io
import json
from dataclasses import replace

import pytest
from macula.nat.profile import Profile, parse
from rich.console import Console

import ideal
from macula_lab.probe.classify import plain
from macula_lab.probe.expectation import Mismatch, expected
from macula_lab.probe.judgement import Part, judge
from macula_lab.selfcheck.cells import Cell
from macula_lab.selfcheck.grid import Row
from macula_lab.selfcheck.table import table
from macula_lab.selfcheck.verdict import Verdict, seen


def verdict(called: str, behind: str = "", *wrong: Mismatch) -> Verdict:
    observations = ideal.observations(parse(behind or called))
    return Verdict("nat_a", "lan_a", called, parse(called), judge(observations), wrong, 0.4321, (), plain(observations))


WRONG = Mismatch("filtering", "adf", "apdf", "filtering")


def text(*rows: Row) -> str:
    out = io.StringIO()
    Console(file=out, width=300).print(table(rows))
    return out.getvalue()


@pytest.mark.parametrize(
    ("called", "words"),
    [
        ("home", "eim, apdf, preserve, hairpin on"),
        ("symmetric_sequential,input=accept", "apdm, apdf, sequential, hairpin off, refused, input accept"),
        ("corporate", "apdm, apdf, random, TCP 443-only"),
        ("udp=rejected,tcp=443-only", "UDP rejected, TCP 443-only"),
        ("none", "no translation"),
    ],
)
def test_what_is_seen_and_what_is_expected_read_the_same(called: str, words: str) -> None:
    fast = {Part.LIFETIME, Part.REFRESH, Part.SOCKETS, Part.SESSIONS}
    observed = {part: word for part, word in judge(ideal.observations(parse(called))).items() if part not in fast}
    wanted = {part: word for part, word in expected(parse(called)).items() if part not in fast}

    assert seen(observed) == seen(wanted) == words


def test_a_row_says_what_was_wanted_and_what_was_seen() -> None:
    right = Row(Cell("preset", "home"), verdict("home"), 1.25)
    wrong = Row(Cell("input", "restricted"), verdict("restricted", "port_restricted", WRONG), 2.0)

    told = text(right, wrong)

    assert "preset" in told
    assert "yes" in told
    assert "NO" in told
    assert "filtering: expected adf, seen apdf" in told


def test_a_verdict_in_a_line() -> None:
    assert verdict("home").line().startswith("nat_a is home: eim, apdf, preserve")
    assert verdict("restricted", "home", WRONG).line() == (
        "nat_a is not restricted: filtering: expected adf, seen apdf (0.4 s)"
    )


def test_json_has_all_of_it() -> None:
    row = Row(Cell("input", "restricted"), verdict("restricted", "port_restricted", WRONG), 2.0)

    told = json.loads(json.dumps(row.plain()))

    assert (told["group"], told["called"], told["ok"], told["seconds"]) == ("input", "restricted", False, 2.0)
    assert (told["expected"]["filtering"], told["seen"]["filtering"]) == ("adf", "apdf")
    assert told["mismatches"] == [{"part": "filtering", "expected": "adf", "seen": "apdf", "probe": "filtering"}]
    assert told["evidence"]["contact"]["seen"].startswith(ideal.WAN)


def test_a_verdict_without_any_check_is_no_refusal() -> None:
    nothing = Verdict("nat_a", "lan_a", "sessions=1", Profile(sessions=1), unchecked=("contact",))

    assert nothing.ok
    assert nothing.line() == "nat_a is sessions=1:  (0.0 s, without contact)"
    assert replace(nothing, mismatches=(WRONG,)).ok is False
