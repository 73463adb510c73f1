"""A clock that jumps."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from fake_lab import FakeEngine
from macula_lab.engines.contract import Finished
from macula_lab.errors import LabError
from macula_lab.events import clocks
from macula_lab.events.perform import event, perform
from macula_lab.report import Reporter


def change(lab: FakeEngine, offset: str) -> str:
    return "\n".join(perform(lab, event("clock", "edge_a", [offset])).changes)


def give_clock(lab: FakeEngine, library: str) -> None:
    edge = lab.plan.services["edge_a"]
    own = replace(edge, environment={**edge.environment, "LD_PRELOAD": library})
    lab.plan = replace(lab.plan, services={**lab.plan.services, "edge_a": own})


def test_the_offset_is_what_the_nodes_library_reads(lab: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    give_clock(lab, "/lib/faketime.so")
    ran: list[Sequence[str]] = []

    def execute(service: str, argv: Sequence[str]) -> Finished:
        ran.append(argv)
        return Finished(0, "", "")

    monkeypatch.setattr(lab, "execute", execute)
    for offset in ("+1h", "-90s", "+0"):
        assert change(lab, offset) == f"edge_a: its clock is {offset}"
    assert [argv[-1] for argv in ran] == ["+1h", "-90s", "+0"]
    assert all("FAKETIME_TIMESTAMP_FILE" in argv[2] for argv in ran)


def test_a_node_without_a_clock_of_its_own_and_a_wrong_offset_are_refused(lab: FakeEngine) -> None:
    give_clock(lab, "")
    with pytest.raises(LabError, match="edge_a has no clock of its own") as caught:
        change(lab, "+1h")
    assert "CLOCK_LIBRARY=PATH" in caught.value.next_step
    for wrong in ("1h", "+1 hour", "noon"):
        with pytest.raises(LabError, match="is no offset of a clock"):
            change(lab, wrong)


def test_the_library_is_installed_where_it_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = tmp_path / "usr/lib/some-linux/faketime/libfaketimeMT.so.1"
    asked: list[str] = []

    def install(report: Reporter, package: str) -> None:
        asked.append(package)
        there.parent.mkdir(parents=True)
        there.touch()

    monkeypatch.setattr(clocks, "install", install)
    monkeypatch.setattr(clocks, "can_install", lambda: False)
    with pytest.raises(LabError, match="libfaketime, which is missing"):
        clocks.library(Reporter(), tmp_path)
    monkeypatch.setattr(clocks, "can_install", lambda: True)
    assert clocks.library(Reporter(), tmp_path) == clocks.library(Reporter(), tmp_path) == str(there)
    assert asked == ["libfaketime"]
