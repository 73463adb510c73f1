"""The faults, between which peers they are tried, and how soon these must talk again. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from macula_lab.errors import LabError
from macula_lab.mesh.expectation import Path

RELAY = "RELAY"
"""In an event: the relay that carries the conversation, or the first one where none does."""
PAUSE = 60.0
VISIBLE = 0.25
"""Seconds that a call must take for a person to notice."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, between two peers behind these NATs. Times in seconds."""

    name: str
    first: str
    second: str
    event: tuple[str, ...]
    """as `macula-lab event` takes it"""
    bound: float
    """from the fault, or from its end if it lasts, until calls are answered both ways again"""
    path: str = Path.DIRECT
    """of the conversation, before and in the end"""
    topology: str = "nat-pair"
    lasts: float = 0.0
    """it ends after so long; without an event the peers say nothing for so long"""
    undo: tuple[str, ...] = ()
    """the event that ends it, or that makes the lab as it was"""

    @property
    def title(self) -> str:
        """How it is called in the table."""
        return f"{self.name}, {self.first} x {self.second}"


_PLAIN, _COUNTING, _RANDOM = "port_restricted", "symmetric_sequential", "symmetric"
_SHORT = "port_restricted,lifetime=10"

FAULTS: tuple[Fault, ...] = (
    Fault("nat-reboot", _PLAIN, _PLAIN, ("nat-reboot", "nat_a"), 3.0),
    Fault("nat-reboot", _PLAIN, _COUNTING, ("nat-reboot", "nat_b"), 3.0),
    Fault("nat-reboot", _RANDOM, _RANDOM, ("nat-reboot", "nat_a"), 3.0, Path.RELAYED),
    Fault("wan-change", _PLAIN, _PLAIN, ("wan-change", "nat_a"), 3.0),
    Fault("wan-change", _RANDOM, _RANDOM, ("wan-change", "nat_a"), 3.0, Path.RELAYED),
    Fault("relay-death", _RANDOM, _RANDOM, ("kill", RELAY), 2.0, Path.RELAYED),
    Fault("relay-death", _PLAIN, _PLAIN, ("kill", RELAY), VISIBLE),
    Fault("mapping-expiry", _SHORT, _SHORT, (), VISIBLE, lasts=25.0),
    Fault("mapping-expiry", f"{_RANDOM},lifetime=30", f"{_RANDOM},lifetime=30", (), VISIBLE, Path.RELAYED,
          lasts=45.0),
    Fault("pause", _PLAIN, _PLAIN, ("pause", "edge_a"), 5.0, lasts=PAUSE, undo=("resume", "edge_a")),
    Fault("roam", "home", "cgnat", ("roam", "edge_a", "lan_b"), 3.0, topology="roaming",
          undo=("roam", "edge_a", "lan_a")),
)  # fmt: skip


def chosen(names: Sequence[str]) -> list[Fault]:
    """The faults of these names, all when none is named. Raises LabError for a name that there is not."""
    known = list(dict.fromkeys(fault.name for fault in FAULTS))
    for name in names:
        if name not in known:
            raise LabError(f"--faults: there is no fault {name!r}", f"choose of: {', '.join(known)}")
    return [fault for fault in FAULTS if not names or fault.name in names]
