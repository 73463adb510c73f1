"""Letting a fault befall a mesh under load, and what must be true of it however slow the machine is."""

from rich.console import Console

from labs import Labs
from macula_lab.faults.faults import TOPOLOGY, chosen
from macula_lab.faults.outcome import Row
from macula_lab.faults.table import table
from macula_lab.faults.trial import strike
from macula_lab.report import Reporter

GENEROUS = 3.0
"""times its bound that a thing may take on a busy machine; `macula-lab faults` asserts the bounds themselves"""


def befall(labs: Labs, engine: str, name: str) -> None:
    """Let a fault happen once; print what it took. Fails by what was lost, repeated or run twice, or took too long."""
    (fault,) = chosen([name])
    run = strike(labs.up(engine, TOPOLOGY, **fault.variables(Reporter())), fault)
    Console(width=180, highlight=False).print(table([Row((run,))]))
    assert run.account.findings == []
    assert {one.what: one.took for one in run.measures if one.took > GENEROUS * one.bound} == {}
