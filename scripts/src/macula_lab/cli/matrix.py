"""`macula-lab matrix` and `scenario`: do two peers meet as their NATs allow?"""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path as FilePath
from typing import Annotated

import typer
from macula.nat.profile import Input
from rich.console import Console

from macula_lab import records
from macula_lab.bringup import bring_up
from macula_lab.cli.options import AsJson, EngineName, Project
from macula_lab.cli.up import begin
from macula_lab.engines.contract import Engine
from macula_lab.errors import LabError
from macula_lab.lab import NETNS
from macula_lab.matrix.cells import Cell, cells, kinds, quirky
from macula_lab.matrix.conditions import Conditions
from macula_lab.matrix.outcome import Row
from macula_lab.matrix.run import Matrix, run
from macula_lab.matrix.table import findings, measures, table
from macula_lab.matrix.traffic import set_links, talk
from macula_lab.mesh.expectation import Path
from macula_lab.report import Reporter
from macula_lab.router.link.spec import parse as parse_link
from macula_lab.workspace import state_file

TOPOLOGY = "nat-pair"
SIDE_BY_SIDE = {NETNS: 2}
"""Labs at the same time, by engine; a container engine has enough to do with one."""


LinkOption = Annotated[str, typer.Option("--link", help="each way of both uplinks: delay=30,loss=2,jitter=5,...")]


def matrix(
    names: Annotated[str, typer.Option("--kinds", help="NATs, by commas; default: all nine")] = "",
    only: Annotated[Path | None, typer.Option("--only", help="pairs that must end on this path")] = None,
    runs: Annotated[int, typer.Option(min=1, help="so many tries of each pair")] = 1,
    link: LinkOption = "",
    project: Project = "",
    engine: EngineName = "",
    out: Annotated[FilePath | None, typer.Option("--out", "-o", help="folder for the page and the JSON")] = None,
    as_json: AsJson = False,
) -> None:
    """Try every pair of NATs with two of our nodes. Exit code 1 if one does not meet as it must, or loses anything;
    where packets vanish, if more than 2 % of those that could be direct are not."""
    from macula_lab.matrix.page import render

    report = Reporter()
    conditions = Conditions(parse_link(link))
    tries = list(cells(kinds([name for name in names.split(",") if name]), only or "")) * runs
    if not tries:
        raise LabError(f"--only {only}: no pair of these ends on it", "without --only all of them are tried")
    with ExitStack() as stack:
        labs = [stack.enter_context(_lab(f"{project or 'macula-matrix'}-1", engine, report, conditions))]
        for number in range(2, SIDE_BY_SIDE.get(labs[0].name, 1) + 1):
            another = f"{project or 'macula-matrix'}-{number}"
            labs.append(stack.enter_context(_lab(another, labs[0].name, report, conditions, 2 * number)))
        done = 0
        with report.step(f"Trying {len(tries)} pairs") as show:

            def count(row: Row) -> None:
                nonlocal done
                done += 1
                show(f"{done}/{len(tries)} {row.cell.title}")

            made = run(labs, tries, count, conditions)
    _show(made, _written(made, render(made), out), as_json)


def scenario(
    first: Annotated[str, typer.Argument(metavar="NAT_A", envvar="NAT_A", help="the NAT of the one that calls")],
    second: Annotated[str, typer.Argument(metavar="NAT_B", envvar="NAT_B", help="the NAT of the other")],
    skew: Annotated[
        float | None,
        typer.Option(min=0, max=10_000, metavar="MS", help="A starts so long after B; default: when B is ready"),
    ] = None,
    quirk: Annotated[
        Input, typer.Option("--input", help="what both routers do with packets to themselves")
    ] = Input.DROP,
    link: LinkOption = "",
    project: Project = "",
    engine: EngineName = "",
    as_json: AsJson = False,
) -> None:
    """Let two of our nodes meet through two NATs, and tell how it went. Exit code 1 if it did not go as it must."""
    chosen = kinds([first, second])
    cell = Cell(*(map(quirky, chosen) if quirk is Input.ACCEPT else chosen))
    conditions = Conditions(parse_link(link), None if skew is None else skew / 1000)
    with _lab(project or "macula-scenario", engine, Reporter(), conditions) as lab:
        row = talk(lab, cell, conditions)
    if as_json:
        print(json.dumps(row.plain(), indent=2))
    else:
        print("\n".join(_story(row, conditions)))
    if row.findings:
        raise typer.Exit(1)


@contextmanager
def _lab(project: str, engine: str, report: Reporter, conditions: Conditions, seed: int = 1) -> Iterator[Engine]:
    lab = begin(TOPOLOGY, project, engine, report)
    try:
        bring_up(lab, report)
        if conditions.link:
            set_links(lab, conditions, seed)
        yield lab
    finally:
        lab.down()
        records.forget(lab.project)


def _written(made: Matrix, page: str, out: FilePath | None) -> FilePath:
    file = (out / "index.html") if out else state_file(f"matrix/{time.strftime('%Y%m%d-%H%M%S')}/index.html")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(page, encoding="utf-8")
    file.with_name("matrix.json").write_text(json.dumps(made.plain(), indent=2) + "\n", encoding="utf-8")
    return file


def _show(made: Matrix, file: FilePath, as_json: bool) -> None:
    if as_json:
        print(json.dumps(made.plain(), indent=2))
    else:
        console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
        console.print(table(made), measures(made.summary))
        for finding in findings(made):
            print(finding)
        good = len(made.rows) - len(made.wrong)
        print(f"{good} of {len(made.rows)} tries as they must be, {made.engine}, {made.seconds:.0f} s\n{file}")
    if not made.ok:
        raise typer.Exit(1)


def _story(row: Row, conditions: Conditions) -> Iterator[str]:
    yield f"{row.cell.title}: {row.cell.prediction.meeting}, {row.cell.prediction.reason}"
    if not row.cell.decided:
        yield "a packet that comes too early spoils either's mapping: packets must cross, or they stay relayed"
    if told := str(conditions):
        yield told
    path = ""
    for answer in row.forth.answers:
        if answer.error:
            yield f"{answer.at:6.2f} s  a call failed: {answer.error}"
        elif answer.path != path:
            path = answer.path
            yield f"{answer.at:6.2f} s  {path}, answered in {answer.latency_ms:.1f} ms"
    calls = len(row.forth.answers) + len(row.back.answers)
    lost = sum(row.forth.failed.values()) + sum(row.back.failed.values())
    yield f"calls: {calls}, lost {lost}"
    yield f"events: {row.events.acknowledged}, lost {row.events.lost}, repeated {row.events.repeated}"
    yield from (f"NOT AS IT MUST BE: {finding}" for finding in row.findings)
