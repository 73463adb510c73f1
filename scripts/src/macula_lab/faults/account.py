"""What became of each call and event of a load, and what of it must not be. Pure."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

LATE = 3.0
"""Seconds after which a call was late: more than a busy machine takes, and less than a silent provider costs."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call by its number: when it began and ended, in seconds on one clock; who answered what, or the code of its
    error."""

    number: int
    begun: float
    ended: float
    provider: str = ""
    result: Any = None
    error: str = ""

    @property
    def bad(self) -> bool:
        """Whether it was late or had no answer."""
        return bool(self.error) or self.ended - self.begun > LATE


@dataclass(frozen=True, slots=True)
class Event:
    """One event by its number: when it was published, and the subscribers that acknowledged it."""

    number: int
    begun: float
    acknowledged: frozenset[str]


@dataclass(frozen=True, slots=True)
class Account:
    """All that was asked and told while a load ran. Numbers count from 1."""

    calls: tuple[Call, ...]
    asked: int
    """the last number that counts; calls after it were broken off with the load"""
    runs: Mapping[str, tuple[int, ...]]
    """by provider: the calls that it ran, as it ran them"""
    events: tuple[Event, ...]
    heard: Mapping[str, tuple[int, ...]]
    """by subscriber that was there all the time: the events that came, as they came"""
    codes: frozenset[str] = field(default_factory=frozenset)
    """of errors with which a call may end"""

    @property
    def lost(self) -> Counter[str]:
        """Calls that ended with an error, by code."""
        return Counter(call.error for call in self.calls if call.error and call.number <= self.asked)

    @property
    def hung(self) -> int:
        """Calls that never ended."""
        return self.asked - len({call.number for call in self.calls if call.number <= self.asked})

    @property
    def run_twice(self) -> int:
        """Calls that were run more than once, by one provider or by two."""
        times = Counter(number for runs in self.runs.values() for number in runs)
        return sum(count > 1 for count in times.values())

    @property
    def unfounded(self) -> int:
        """Answers other than what the one provider that ran the call must have said."""
        ran = {(provider, number) for provider, runs in self.runs.items() for number in runs}
        answered = [call for call in self.calls if not call.error]
        return sum((call.provider, call.number) not in ran or call.result != call.number for call in answered)

    @property
    def events_lost(self) -> int:
        """Events that a subscriber acknowledged and never got, for all subscribers."""
        return sum(len(self._acknowledged(name) - set(heard)) for name, heard in self.heard.items())

    @property
    def events_repeated(self) -> int:
        """Events that a subscriber got again."""
        return sum(len(heard) - len(set(heard)) for heard in self.heard.values())

    @property
    def events_disordered(self) -> int:
        """Events that a subscriber got after a later one."""
        return sum(later < earlier for heard in self.heard.values() for earlier, later in pairwise(heard))

    @property
    def events_acknowledged(self) -> int:
        """Events, counted once for each subscriber that acknowledged them."""
        return sum(len(self._acknowledged(name)) for name in self.heard)

    @property
    def findings(self) -> list[str]:
        """What must not be; empty when every call and event is accounted for."""
        wrong = {code: count for code, count in self.lost.items() if code not in self.codes}
        counted = {
            "calls never ended": self.hung,
            "calls were run twice": self.run_twice,
            "answers that are not their provider's": self.unfounded,
            "acknowledged events were lost": self.events_lost,
            "events came again": self.events_repeated,
            "events came out of order": self.events_disordered,
            **{f"calls ended as {code}": count for code, count in wrong.items()},
        }
        found = [f"{count} {what}" for what, count in counted.items() if count]
        silent = [name for name in self.heard if not self._acknowledged(name)]
        return found + [f"{name} acknowledged no event" for name in silent]

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "calls": self.asked,
            "calls_lost": dict(self.lost),
            "calls_hung": self.hung,
            "calls_run_twice": self.run_twice,
            "events_acknowledged": self.events_acknowledged,
            "events_lost": self.events_lost,
            "events_repeated": self.events_repeated,
            "events_disordered": self.events_disordered,
        }

    def _acknowledged(self, subscriber: str) -> set[int]:
        return {event.number for event in self.events if subscriber in event.acknowledged}


def disturbed(calls: Sequence[Call], since: float, until: float = math.inf) -> float:
    """Seconds from `since` on in which calls began that were late or had no answer, if they began before `until`; 0 if
    there was none."""
    bad = [call.begun for call in calls if since <= call.begun < until and call.bad]
    return max(bad) - since if bad else 0.0


def within(calls: Sequence[Call], since: float, until: float, share: float) -> float:
    """Seconds within which this share of the calls that began then was answered, nearest rank; infinite if it was
    not."""
    took = sorted(math.inf if call.error else call.ended - call.begun for call in calls if since <= call.begun < until)
    return took[math.ceil(share * len(took)) - 1] if took else math.inf
