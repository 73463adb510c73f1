"""Two nodes that talk while faults befall them are answered again: nothing hangs, no acknowledged event is lost."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from rich.console import Console

from labs import Labs
from macula_lab.recovery.faults import FAULTS, Fault
from macula_lab.recovery.outcome import Row
from macula_lab.recovery.table import table
from macula_lab.recovery.trial import strike

DEADLINE = 10.0
"""Seconds until they must be answered again, generous as machines are slow; `macula-lab recovery` knows the bounds."""


def quick(name: str, first: str) -> Fault:
    """A fault of the table, between these peers; those that last do not last long."""
    fault = next(fault for fault in FAULTS if fault.name == name and fault.first.startswith(first))
    match name:
        case "pause":
            return replace(fault, lasts=4.0)
        case "mapping-expiry":
            # Longer than a mapping lasts without packets, shorter than the keep-alive of relays.
            nat = "port_restricted,lifetime=6"
            return replace(fault, first=nat, second=nat, lasts=8.0)
    return fault


QUICK = [
    quick("nat-reboot", "port_restricted"),
    quick("wan-change", "port_restricted"),
    quick("relay-death", "symmetric"),
    quick("mapping-expiry", "port_restricted"),
    quick("pause", "port_restricted"),
    quick("roam", "home"),
]


@pytest.fixture(scope="module")
def rows() -> Iterator[list[Row]]:
    """What was measured, printed in the end."""
    made: list[Row] = []
    yield made
    Console(width=180, highlight=False).print(table(made))


@pytest.mark.parametrize("fault", QUICK, ids=[fault.name for fault in QUICK])
def test_a_fault_is_survived_without_a_hung_call_or_a_lost_event(labs: Labs, rows: list[Row], fault: Fault) -> None:
    # With delays as on a real network, and a lab of its own: all of its nodes are started anew.
    lab = labs.up("netns", fault.topology, LINK_A_OUT="delay=10", LINK_A_IN="delay=10", LINK_B_OUT="delay=10")

    run = strike(lab, fault)

    rows.append(Row(fault, (run,)))
    assert run.findings == []
    assert run.silent < DEADLINE
    assert set(run.lost) <= {"disconnected", "timeout"}
