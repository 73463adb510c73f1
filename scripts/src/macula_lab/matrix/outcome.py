"""What happened between two peers, and what of it is not as it must be. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from macula_lab.matrix.cells import Cell
from macula_lab.mesh.expectation import Path

SETTLED = 10
"""answers in a row by one path, after which it is the path that was reached"""


@dataclass(frozen=True, slots=True)
class Answer:
    """One call's end: seconds since the first, its milliseconds, and the path; or the code of its error and why."""

    at: float
    latency_ms: float = 0.0
    path: str = Path.NONE
    error: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls of one peer to the other, one after the other."""

    answers: tuple[Answer, ...]

    @property
    def path(self) -> str:
        """The path that they ended on: that of the last answers if these agree; else every one of them."""
        last = [answer.path for answer in self.answers[-SETTLED:]]
        return " and ".join(sorted(set(last))) or Path.NONE

    @property
    def first_ms(self) -> float | None:
        """Milliseconds from the first call until a call had an answer."""
        return next((1000 * one.at + one.latency_ms for one in self.answers if not one.error), None)

    @property
    def reached_s(self) -> float | None:
        """Seconds from the first call to the first answer of those that ended on the path; None if they did not."""
        since = None
        for answer in reversed(self.answers):
            if answer.path != self.path:
                break
            since = answer.at
        return since

    @property
    def failed(self) -> dict[str, int]:
        """How many had no answer, by code."""
        codes = [answer.error for answer in self.answers if answer.error]
        return {code: codes.count(code) for code in dict.fromkeys(codes)}


@dataclass(frozen=True, slots=True)
class Events:
    """Events of the first peer for the second."""

    acknowledged: int
    """of them, by the subscriber"""
    received: tuple[int, ...]
    """their numbers as they came"""

    @property
    def lost(self) -> int:
        """Acknowledged, and never received."""
        return max(0, self.acknowledged - len(set(self.received)))

    @property
    def repeated(self) -> int:
        """Received more than once."""
        return len(self.received) - len(set(self.received))

    @property
    def disordered(self) -> int:
        """Received after a later one."""
        return sum(after < before for before, after in pairwise(self.received))


@dataclass(frozen=True, slots=True)
class Row:
    """A cell, and what happened in it."""

    cell: Cell
    forth: Calls
    back: Calls
    events: Events
    seconds: float
    """that it took, restarts included"""
    direct_s: float | None = None
    """seconds from the connection through a relay to the choice of the direct path, as the caller tells it"""
    trouble: str = ""
    """why nothing happened at all"""

    @property
    def path(self) -> str:
        """The path that both ended on, or one for each of them."""
        return self.forth.path if self.forth.path == self.back.path else f"{self.forth.path} / {self.back.path}"

    @property
    def met(self) -> bool:
        """Whether they ended on the path that they must end on."""
        either = (Path.DIRECT, Path.RELAYED)
        return not self.trouble and self.path in ((self.cell.expected,) if self.cell.decided else either)

    @property
    def unlucky(self) -> bool:
        """Whether all that is wrong is that they are still relayed: what a lossy link may do once in a while."""
        return len(self.findings) == 1 and self.path == Path.RELAYED

    @property
    def findings(self) -> list[str]:
        """What is not as it must be; empty when all is."""
        if self.trouble:
            return [self.trouble]
        found = []
        if not self.met:
            found.append(f"{self.path}, and not {self.cell.expected}: {self.cell.prediction.reason}")
        for name, calls in (("there", self.forth), ("back", self.back)):
            if calls.failed:
                codes = ", ".join(f"{count} {code}" for code, count in calls.failed.items())
                first = next(answer.reason for answer in calls.answers if answer.error)
                found.append(f"of {len(calls.answers)} calls {name} failed {codes}{first and f', the first: {first}'}")
        if not self.events.acknowledged:
            found.append("no event was acknowledged")
        for word, count in (("lost", self.events.lost), ("repeated", self.events.repeated)):
            if count:
                found.append(f"{count} of {self.events.acknowledged} events {word}")
        if self.events.disordered:
            found.append(f"{self.events.disordered} events out of order")
        return found

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "first": asdict(self.cell.first),
            "second": asdict(self.cell.second),
            "meeting": self.cell.prediction.meeting,
            "reason": self.cell.prediction.reason,
            "expected": self.cell.expected,
            "path": self.path,
            "first_reply_ms": self.forth.first_ms,
            "reached_s": self.forth.reached_s,
            "direct_after_connection_s": self.direct_s,
            "calls": len(self.forth.answers) + len(self.back.answers),
            "calls_failed": {"there": self.forth.failed, "back": self.back.failed},
            "events": self.events.acknowledged,
            "events_lost": self.events.lost,
            "events_repeated": self.events.repeated,
            "events_disordered": self.events.disordered,
            "seconds": round(self.seconds, 2),
            "findings": self.findings,
        }


def calls(lines: Sequence[Mapping[str, Any]]) -> Calls:
    """What `macula call --count --json` printed, its summary left out."""
    return Calls(tuple(_answer(line) for line in lines if "number" in line))


def direct_after(why: Mapping[str, Any]) -> float | None:
    """Seconds from a connection's beginning to its first direct path, by `macula why --json`; None if it has none."""
    chosen = [one for one in why["decisions"] if one["verdict"] == "chosen"]
    direct = [one["ago_s"] for one in chosen if one["path"] == Path.DIRECT]
    return round(chosen[0]["ago_s"] - direct[0], 2) if direct else None


def _answer(line: Mapping[str, Any]) -> Answer:
    if error := line.get("error"):
        return Answer(line["at_s"], error=str(error["code"]), reason=str(error["message"]))
    return Answer(line["at_s"], line["latency_ms"], line["path"])
