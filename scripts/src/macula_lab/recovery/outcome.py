"""What a conversation noticed of a fault, and what of it must not be. Pure."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from macula_lab.mesh.expectation import Path
from macula_lab.recovery.faults import VISIBLE, Fault

DEADLINE = 15.0
"""Seconds after which a conversation that is still silent is given up."""
_LAST = 10
"""answers that tell the path"""
_DISCONNECTED, _TIMEOUT = "disconnected", "timeout"


@dataclass(frozen=True, slots=True)
class Turn:
    """One call: when it began and ended, in seconds on one clock; the path of its answer, or the code of its error."""

    begun: float
    ended: float
    path: str = Path.NONE
    error: str = ""


@dataclass(frozen=True, slots=True)
class Events:
    """Events of the first peer for the second, by their numbers: acknowledged ones, and all that came, as they came."""

    acknowledged: frozenset[int] = frozenset()
    received: tuple[int, ...] = ()

    @property
    def lost(self) -> int:
        """Acknowledged, and never received."""
        return len(self.acknowledged - set(self.received))

    @property
    def repeated(self) -> int:
        """Received more than once."""
        return len(self.received) - len(set(self.received))


@dataclass(frozen=True, slots=True)
class Run:
    """A fault that happened once. `struck` and `ended` are on the clock of the turns; both are the same for a fault
    that does not last."""

    fault: Fault
    struck: float
    ended: float
    forth: tuple[Turn, ...] = ()
    back: tuple[Turn, ...] = ()
    events: Events = Events()
    trouble: str = ""
    """why it could not be tried"""

    @property
    def silent(self) -> float:
        """Seconds until nobody has to wait any more, of the direction that takes longer; 0 if nobody noticed."""
        return max(silence(turns, self.struck, self.ended) for turns in (self.forth, self.back))

    @property
    def recovered(self) -> bool:
        """Whether it is answered both ways in the end."""
        return all(turns and not turns[-1].error for turns in (self.forth, self.back)) and self.silent < DEADLINE

    @property
    def after(self) -> str:
        """The path in the end."""
        last = [turn.path for turns in (self.forth, self.back) for turn in turns[-_LAST:] if not turn.error]
        return " and ".join(sorted(set(last))) or Path.NONE

    @property
    def settled(self) -> float | None:
        """Seconds from the fault, or its end, until both directions go by the path that they should; None if never."""
        since = self.ended
        for turns in (self.forth, self.back):
            for turn in turns:
                if turn.ended > self.ended and turn.path != self.fault.path:
                    since = max(since, turn.ended)
        return since - self.ended if self.recovered and self.after == self.fault.path else None

    @property
    def calls(self) -> int:
        """Calls that ended after the fault began."""
        return sum(turn.ended > self.struck for turn in (*self.forth, *self.back))

    @property
    def lost(self) -> Counter[str]:
        """Those of them that had no answer, by code."""
        return Counter(turn.error for turn in (*self.forth, *self.back) if turn.error and turn.ended > self.struck)

    @property
    def hung(self) -> int:
        """Calls that timed out although the fault was over: they should have had an answer, or been disconnected."""
        late = [turn for turn in (*self.forth, *self.back) if turn.error == _TIMEOUT]
        return sum(turn.ended > self.ended for turn in late)

    @property
    def findings(self) -> list[str]:
        """What must not be, the time that it took apart; empty when all is well."""
        if self.trouble:
            return [self.trouble]
        found = []
        if not self.recovered:
            found.append(f"not answered again within {DEADLINE:g} s")
        if self.hung:
            found.append(f"{self.hung} calls hung")
        others = {code: count for code, count in self.lost.items() if code not in (_DISCONNECTED, _TIMEOUT)}
        if others:
            found.append(f"calls ended as {', '.join(others)}")
        if not self.events.acknowledged:
            found.append("no event was acknowledged")
        for word, count in (("lost", self.events.lost), ("repeated", self.events.repeated)):
            if count:
                found.append(f"{count} acknowledged events {word}")
        return found

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "silent_s": round(self.silent, 3) if self.recovered else None,
            "settled_s": None if self.settled is None else round(self.settled, 3),
            "after": self.after,
            "calls": self.calls,
            "calls_lost": dict(self.lost),
            "calls_hung": self.hung,
            "events_acknowledged": len(self.events.acknowledged),
            "events_lost": self.events.lost,
            "events_repeated": self.events.repeated,
            "findings": self.findings,
        }


@dataclass(frozen=True, slots=True)
class Row:
    """All runs of a fault."""

    fault: Fault
    runs: tuple[Run, ...]

    def silent(self, share: float) -> float:
        """Seconds until the given share of the runs had recovered, nearest rank; infinite if one could not be tried."""
        took = sorted(math.inf if run.trouble else run.silent for run in self.runs)
        return took[math.ceil(share * len(took)) - 1]

    @property
    def late(self) -> bool:
        """Whether it takes longer than it may."""
        return self.silent(0.95) > self.fault.bound

    @property
    def lost(self) -> Counter[str]:
        """Calls without an answer in all runs, by code."""
        return sum((run.lost for run in self.runs), Counter[str]())

    @property
    def findings(self) -> list[str]:
        """What must not be, in any run, the time that it took apart."""
        return [finding for run in self.runs for finding in run.findings]

    @property
    def wrong(self) -> list[str]:
        """What must not be, of all runs together."""
        late = f"silent for {self.silent(0.95):.2f} s (p95), where {self.fault.bound:g} s are allowed"
        return [*self.findings, late] if self.late else self.findings

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        p50, p95 = (round(took, 3) if math.isfinite(took) else None for took in (self.silent(0.5), self.silent(0.95)))
        return {
            "fault": self.fault.name,
            "first": self.fault.first,
            "second": self.fault.second,
            "path": self.fault.path,
            "bound_s": self.fault.bound,
            "p50_s": p50,
            "p95_s": p95,
            "late": self.late,
            "calls_lost": dict(self.lost),
            "findings": self.findings,
            "runs": [run.plain() for run in self.runs],
        }


def silence(turns: Sequence[Turn], struck: float, ended: float) -> float:
    """How long a caller waited because of a fault that began at `struck` and ended at `ended`, from its first call that
    was late or lost, or the end of a fault that lasted; infinite if nobody ever answered again."""
    late = [
        number
        for number, turn in enumerate(turns)
        if turn.ended > struck and (turn.error or turn.ended - turn.begun > VISIBLE)
    ]
    answers = [turn.ended for turn in turns if not turn.error and turn.ended > ended]
    if not answers:
        return math.inf
    if not late:
        return 0.0
    since = ended if ended > struck else turns[late[0]].begun
    again = min((at for at in answers if at >= turns[late[-1]].ended), default=math.inf)
    return max(0.0, again - since)
