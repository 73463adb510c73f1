"""`macula-lab recovery`: how soon do two peers talk again after each fault?"""

from functools import partial
from itertools import groupby
from typing import Annotated

import typer

from macula_lab.cli.options import AsJson, EngineName, Project
from macula_lab.cli.trying import tell, tries
from macula_lab.cli.up import for_a_while
from macula_lab.recovery.faults import chosen
from macula_lab.recovery.outcome import Row
from macula_lab.recovery.table import table, wrong
from macula_lab.recovery.trial import strike
from macula_lab.report import Reporter


def recovery(
    only: Annotated[str, typer.Option("--faults", help="by commas; default: all")] = "",
    runs: Annotated[int, typer.Option(min=1, help="how often each happens")] = 5,
    project: Project = "",
    engine: EngineName = "",
    as_json: AsJson = False,
) -> None:
    """Let each fault befall two nodes that talk. Exit code 1 if one takes too long, a call hangs or an event is lost.

    The links are those of the topologies: LINK_A_OUT=delay=20 and the like.
    """
    report = Reporter()
    faults = chosen([name for name in only.split(",") if name])
    rows: list[Row] = []
    for topology, some in groupby(faults, lambda fault: fault.topology):
        with for_a_while(topology, project or "macula-recovery", engine, report) as lab:
            rows += [Row(fault, tries(report, fault.title, runs, partial(strike, lab, fault))) for fault in some]
    tell(rows, table(rows), wrong(rows), as_json)
