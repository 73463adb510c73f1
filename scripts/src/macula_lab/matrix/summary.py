"""All tries in a few numbers, beside the goals. Pure."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from macula_lab.matrix.conditions import Conditions
from macula_lab.matrix.outcome import Row
from macula_lab.mesh.expectation import Path

FIRST_REPLY_ROUND_TRIPS = 4.0
DIRECT_P50_RELAY_ROUND_TRIPS = 3.0
"""two of the relay's and one of the direct path, which is as long here"""
DIRECT_P50_MORE = 0.1
DIRECT_P95 = 1.0
SUCCESS_LOSSY = 0.98
"""of the tries that are predicted direct, where packets vanish; elsewhere all"""


@dataclass(frozen=True, slots=True)
class Tries:
    """All tries of one pair."""

    rows: tuple[Row, ...]

    @property
    def path(self) -> str:
        """The path on which they ended, or each of several."""
        return " or ".join(sorted({row.path for row in self.rows}))

    @property
    def reached_s(self) -> float | None:
        """The median of the seconds until that."""
        return percentile([row.forth.reached_s for row in self.rows], 50)

    @property
    def wrong(self) -> int:
        """How many have findings."""
        return sum(bool(row.findings) for row in self.rows)


@dataclass(frozen=True, slots=True)
class Measure:
    """One line of the summary. `met` is None where there is no goal under these conditions."""

    name: str
    measured: str
    goal: str = ""
    met: bool | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """Of these tries under these conditions. Goals in round trips count where a delay is set: without one they would
    measure the processor."""

    rows: Sequence[Row]
    conditions: Conditions

    @property
    def direct(self) -> list[Row]:
        """Those that must become direct."""
        return [row for row in self.rows if row.cell.expected == Path.DIRECT]

    @property
    def enough(self) -> bool:
        """Whether so many became direct as must."""
        needed = 1.0 if self.conditions.clean else SUCCESS_LOSSY
        return sum(row.met for row in self.direct) >= needed * len(self.direct)

    @property
    def measures(self) -> list[Measure]:
        """What was measured, a line each."""
        return [self._first_reply(), self._connected(), self._reached(), self._success(), self._kept()]

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "relay_round_trip_ms": 1000 * self.conditions.relay_round_trip,
            "measures": [asdict(one) for one in self.measures],
        }

    def _first_reply(self) -> Measure:
        trip = 1000 * self.conditions.relay_round_trip
        times = [row.forth.first_ms for row in self.rows]
        p50, p95 = percentile(times, 50), percentile(times, 95)
        told = _told("{:.0f} ms", p50, p95)
        name = "first reply, from the first call"
        if not trip or p50 is None or p95 is None:
            return Measure(name, told)
        goal = f"at most {FIRST_REPLY_ROUND_TRIPS:.0f} relay round trips of {trip:.0f} ms"
        met = p95 <= FIRST_REPLY_ROUND_TRIPS * trip if self.conditions.clean else None
        return Measure(name, f"{told} ({p50 / trip:.1f}, {p95 / trip:.1f} round trips)", goal, met)

    def _connected(self) -> Measure:
        times = [row.direct_s for row in self.direct]
        p50 = percentile(times, 50)
        most = DIRECT_P50_RELAY_ROUND_TRIPS * self.conditions.relay_round_trip + DIRECT_P50_MORE
        return Measure(
            "direct, from the connection",
            _told("{:.2f} s", p50, percentile(times, 95)),
            f"p50 below {most:.2f} s: 2 relay and 1 direct round trips and {1000 * DIRECT_P50_MORE:.0f} ms",
            None if p50 is None or not self.conditions.clean else p50 < most,
        )

    def _reached(self) -> Measure:
        times = [row.forth.reached_s for row in self.direct]
        p95 = percentile(times, 95)
        told = _told("{:.2f} s", percentile(times, 50), p95)
        met = None if p95 is None or not self.conditions.clean else p95 < DIRECT_P95
        return Measure("direct, from the first call", told, f"p95 below {DIRECT_P95:g} s on clean links", met)

    def _success(self) -> Measure:
        met, all_ = sum(row.met for row in self.direct), len(self.direct)
        share = f" ({100 * met / all_:.1f} %)" if all_ else ""
        goal = "all" if self.conditions.clean else f"{100 * SUCCESS_LOSSY:.0f} %"
        return Measure("direct where the NATs allow it", f"{met} of {all_}{share}", goal, self.enough)

    def _kept(self) -> Measure:
        calls = sum(len(row.forth.answers) + len(row.back.answers) for row in self.rows)
        failed = sum(sum(one.failed.values()) for row in self.rows for one in (row.forth, row.back))
        events = sum(row.events.acknowledged for row in self.rows)
        lost, repeated = sum(row.events.lost for row in self.rows), sum(row.events.repeated for row in self.rows)
        told = f"{failed} of {calls} calls lost; of {events} events {lost} lost, {repeated} repeated"
        return Measure("messages", told, "none lost, none repeated", not (failed or lost or repeated))


def percentile(values: Sequence[float | None], percent: float) -> float | None:
    """The least of the values that so many percent of them do not exceed; None if there are none."""
    known = sorted(value for value in values if value is not None)
    return known[max(0, math.ceil(percent / 100 * len(known)) - 1)] if known else None


def _told(form: str, p50: float | None, p95: float | None) -> str:
    return "nothing" if p50 is None or p95 is None else f"p50 {form.format(p50)}, p95 {form.format(p95)}"
