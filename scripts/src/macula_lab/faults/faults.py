"""The faults, what each must not cost, and on which lab they are tried."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from macula_lab.errors import LabError
from macula_lab.events import clocks
from macula_lab.faults import hosts, machines, networks
from macula_lab.faults.ground import Ground
from macula_lab.faults.outcome import Measure
from macula_lab.report import Reporter

TOPOLOGY = "mesh"
VARIABLES: Mapping[str, str] = MappingProxyType({"MACULA_RECORD_TTL": str(hosts.RECORD_TTL)})
"""With which it is up for every fault."""
UNANSWERED = frozenset({"timeout", "disconnected"})
"""How calls may end that a provider may have been running when nothing more was heard of it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: how it happens, is over and is measured, and the codes with which calls may end meanwhile."""

    name: str
    strike: Callable[[Ground], list[Measure]]
    codes: frozenset[str] = frozenset()
    clocked: bool = False
    """whether each node must have a clock of its own"""

    def variables(self, report: Reporter) -> dict[str, str]:
        """With which the lab must be up. Raises LabError for what this machine lacks and the lab may not install."""
        own = {clocks.VARIABLE: clocks.library(report)} if self.clocked else {}
        return {**VARIABLES, **own}


FAULTS: tuple[Fault, ...] = (
    Fault("kill", hosts.kill, UNANSWERED),
    Fault("stop", hosts.stop),
    Fault("bootstrap-restart", hosts.bootstrap_restart),
    Fault("pause", hosts.pause, UNANSWERED),
    Fault("partition", networks.partition, UNANSWERED),
    Fault("loss", networks.loss, UNANSWERED),
    Fault("disk-full", machines.full),
    Fault("disk-read-only", machines.read_only),
    Fault("clock-ahead", machines.ahead, clocked=True),
    Fault("clock-behind", machines.behind, clocked=True),
)


def chosen(names: Sequence[str]) -> list[Fault]:
    """The faults of these names, all when none is named. Raises LabError for a name that there is not."""
    known = [fault.name for fault in FAULTS]
    for name in names:
        if name not in known:
            raise LabError(f"--faults: there is no fault {name!r}", f"choose of: {', '.join(known)}")
    return [fault for fault in FAULTS if not names or fault.name in names]
