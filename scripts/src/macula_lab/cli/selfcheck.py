"""`macula-lab selfcheck`."""

import json
import sys
import time

import typer
from rich.console import Console

from macula_lab import records
from macula_lab.cli.options import AsJson, EngineName, Project
from macula_lab.cli.up import begin
from macula_lab.report import Reporter
from macula_lab.selfcheck.cells import cells
from macula_lab.selfcheck.grid import Row, run
from macula_lab.selfcheck.table import table

NAME = "selfcheck"


def selfcheck(project: Project = "", engine: EngineName = "", as_json: AsJson = False) -> None:
    """Build every NAT there is, let a prober classify it, and compare. Exit code 1 if one is not what it is called."""
    report = Reporter()
    started = time.monotonic()
    lab = begin(NAME, project, engine, report)
    try:
        with report.step(f"Starting {NAME} as {lab.project} ({lab.name})") as show:
            lab.start((), show)
        grid = cells()
        done = 0
        with report.step(f"Building and classifying {len(grid)} NATs") as show:

            def count(row: Row) -> None:
                nonlocal done
                done += 1
                show(f"{done}/{len(grid)} {row.cell.title}")

            rows = run(lab, grid, count)
    finally:
        with report.step(f"Removing {lab.project}") as show:
            lab.down(show)
        records.forget(lab.project)
    wrong = [row for row in rows if not row.verdict.ok]
    seconds = time.monotonic() - started
    if as_json:
        told = {
            "engine": lab.name,
            "seconds": round(seconds, 1),
            "ok": not wrong,
            "cells": [row.plain() for row in rows],
        }
        print(json.dumps(told, indent=2))
    else:
        Console(highlight=False, width=None if sys.stdout.isatty() else 140).print(
            table(sorted(rows, key=lambda row: ORDER.index(row.cell.group)))
        )
        print(f"{len(rows) - len(wrong)} of {len(rows)} as they are called, {lab.name}, {seconds:.0f} s")
    if wrong:
        raise typer.Exit(1)


ORDER = ("class", "preset", "input", "firewall", "carrier", "exhaustion", "lifetime")
