"""`macula-lab faults`: what does a fault cost a mesh under load?"""

import os
from functools import partial
from itertools import groupby
from typing import Annotated

import typer

from macula_lab.cli.options import AsJson, EngineName, Project
from macula_lab.cli.trying import tell, tries
from macula_lab.cli.up import for_a_while
from macula_lab.faults.faults import TOPOLOGY, chosen
from macula_lab.faults.outcome import Row
from macula_lab.faults.table import table, wrong
from macula_lab.faults.trial import strike
from macula_lab.report import Reporter


def faults(
    only: Annotated[str, typer.Option("--faults", help="by commas; default: all")] = "",
    runs: Annotated[int, typer.Option(min=1, help="how often each happens")] = 3,
    project: Project = "",
    engine: EngineName = "",
    as_json: AsJson = False,
) -> None:
    """Let each fault befall a mesh that is called and published to all the time, and account for every call and event.
    Exit code 1 if something took too long, or a call or event was lost, run twice or repeated."""
    report = Reporter()
    some = chosen([name for name in only.split(",") if name])
    rows: list[Row] = []
    for _, alike in groupby(some, lambda fault: fault.clocked):
        group = list(alike)
        environment = {**os.environ, **group[0].variables(report)}
        with for_a_while(TOPOLOGY, project or "macula-faults", engine, report, environment) as lab:
            rows += [Row(tries(report, fault.name, runs, partial(strike, lab, fault))) for fault in group]
    tell(rows, table(rows), wrong(rows), as_json)
