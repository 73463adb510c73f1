"""What faults cost: what was measured of each against its bound, and the account of the load. Pure."""

import math
from collections import Counter
from dataclasses import dataclass
from statistics import median
from typing import Any

from macula_lab.faults.account import Account


@dataclass(frozen=True, slots=True)
class Measure:
    """One thing that takes time, in seconds; infinite if it did not happen."""

    what: str
    took: float
    bound: float

    @property
    def late(self) -> bool:
        """Whether it takes longer than it may."""
        return self.took > self.bound


@dataclass(frozen=True, slots=True)
class Run:
    """A fault that happened once."""

    fault: str
    measures: tuple[Measure, ...]
    account: Account

    @property
    def late(self) -> list[str]:
        """What took longer than it may."""
        return [f"{one.what} after {one.took:.2f} s" for one in self.measures if one.late]

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {**self.account.plain(), "findings": self.account.findings, "late": self.late}


@dataclass(frozen=True, slots=True)
class Row:
    """All runs of a fault."""

    runs: tuple[Run, ...]

    @property
    def fault(self) -> str:
        """Its name."""
        return self.runs[0].fault

    @property
    def measures(self) -> list[tuple[Measure, float]]:
        """Each measure at its worst, and its median."""
        of_all = zip(*(run.measures for run in self.runs), strict=True)
        return [(max(same, key=lambda one: one.took), median(one.took for one in same)) for same in of_all]

    @property
    def lost(self) -> Counter[str]:
        """Calls without an answer in all runs, by code."""
        return sum((run.account.lost for run in self.runs), Counter[str]())

    @property
    def wrong(self) -> list[str]:
        """What must not be, in any run."""
        return [finding for run in self.runs for finding in (*run.account.findings, *run.late)]

    def total(self, what: str) -> int:
        """The sum of one of the account's figures."""
        return sum(getattr(run.account, what) for run in self.runs)

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "fault": self.fault,
            "measures": [
                {"what": worst.what, "median_s": _plain(middle), "worst_s": _plain(worst.took), "bound_s": worst.bound}
                for worst, middle in self.measures
            ],
            "wrong": self.wrong,
            "runs": [run.plain() for run in self.runs],
        }


def _plain(took: float) -> float | None:
    return round(took, 3) if math.isfinite(took) else None
