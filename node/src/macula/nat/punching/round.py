"""One round of probes: which targets are due, which answered, which addresses the peer was seen at."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, replace

from macula.core.address import Address
from macula.nat.punching.candidates import CandidateKind, Tier
from macula.nat.punching.plan import OFFSETS, SPARSE, Target

GRACE = 1.0
"""Seconds after the last try in which an answer may still come."""
MAX_SEEN = 8
"""Most addresses, none of which were told, that a peer may be seen at in a round."""
MAX_SENT = 12
"""Most probes to one target: its tries, and some at once when the peer was heard from there."""
_PAUSE = 0.05
"""Least seconds between two probes to one target."""


@dataclass(slots=True)
class _State:
    target: Target
    sent: int = 0
    sent_at: float = -1.0
    heard: bool = False
    rtt: float | None = None


class Round:
    """Begins when it is made. `due` says what to send; `end` is when to give up."""

    def __init__(self, targets: Iterable[Target], now: float, tries: int = len(OFFSETS)) -> None:
        """Only the first `tries` of OFFSETS are used."""
        self._states: dict[Address, _State] = {}
        self._schedule: list[tuple[float, int, Address]] = []
        self._count = 0
        self._seen = 0
        self.probes = 0
        self.heard = 0
        self.end = now + OFFSETS[tries - 1] + GRACE
        self._latest = now + OFFSETS[-1] + 5 * GRACE
        for target in targets:
            self._add(replace(target, tries=tuple(index for index in target.tries if index < tries)), now)

    @property
    def best(self) -> Tier | None:
        """The best tier of a path that was found."""
        return min((state.target.tier for state in self._states.values() if state.rtt is not None), default=None)

    @property
    def next_deadline(self) -> float:
        """When something is due, or the round ends."""
        return min(self._schedule[0][0], self.end) if self._schedule else self.end

    def over(self, now: float) -> bool:
        """Whether nothing better can come any more."""
        return now >= self.end or (not self._schedule and self.best is not None)

    def inherit(self, earlier: Round) -> None:
        """What was found in an earlier round counts as found in this one."""
        for address, state in earlier._states.items():
            if state.rtt is not None and address not in self._states:
                self._add(replace(state.target, tries=()), 0.0)
                self.proved(address, state.rtt)

    def due(self, now: float) -> list[Address]:
        """The addresses to probe now, in order; each of them once, however late it is."""
        found: dict[Address, None] = {}
        while self._schedule and self._schedule[0][0] <= now:
            address = heapq.heappop(self._schedule)[2]
            if self._wanted(self._states[address], now):
                found.setdefault(address)
        return list(found)

    def sent(self, address: Address, now: float) -> None:
        """A probe went out."""
        state = self._states[address]
        state.sent += 1
        state.sent_at = now
        self.probes += 1

    def asked(self, source: Address, tier: Tier, now: float) -> bool:
        """The peer's probe came from `source`, which would make a path of this tier: whether to probe it at once."""
        self.heard += 1
        state = self._states.get(source)
        if state is None:
            if self._seen >= MAX_SEEN:
                return False
            self._seen += 1
            state = self._add(Target(source, CandidateKind.SEEN, tier, SPARSE[1:]), now)
        state.heard = True
        self.end = max(self.end, min(now + GRACE, self._latest))
        return self._wanted(state, now)

    def heard_from(self, address: Address) -> bool:
        """Whether the peer was heard from there in this round."""
        return self._states[address].heard

    def proved(self, address: Address, rtt: float) -> Tier | None:
        """A probe came back: the tier of its path; None if this address was no target."""
        state = self._states.get(address)
        if state is None:
            return None
        state.rtt = rtt
        tier = min(self.best or state.target.tier, state.target.tier)
        self._schedule = [entry for entry in self._schedule if self._states[entry[2]].target.tier < tier]
        heapq.heapify(self._schedule)
        return state.target.tier

    def _wanted(self, state: _State, now: float) -> bool:
        best = self.best
        if state.rtt is not None or (best is not None and best <= state.target.tier and state.sent > 0):
            return False
        return state.sent < MAX_SENT and now >= state.sent_at + _PAUSE

    def _add(self, target: Target, now: float) -> _State:
        state = self._states[target.address] = _State(target)
        for index in target.tries:
            self._count += 1
            heapq.heappush(self._schedule, (now + OFFSETS[index], self._count, target.address))
        return state
