"""Timers against a plain dictionary."""

from __future__ import annotations

import math

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from macula.core.timers import Timers, earliest

keys = st.integers(0, 5)


class TimersModel(RuleBasedStateMachine):
    """What is set is due once, at its time, in order; what is cancelled or replaced is not."""

    def __init__(self) -> None:
        super().__init__()
        self.timers: Timers[int] = Timers()
        self.model: dict[int, tuple[float, int]] = {}
        self.steps = 0
        self.now = 0.0

    @rule(key=keys, wait=st.integers(0, 5))
    def set(self, key: int, wait: int) -> None:
        self.steps += 1
        self.model[key] = (self.now + wait, self.steps)
        self.timers.set(key, self.now + wait)

    @rule(key=keys)
    def cancel(self, key: int) -> None:
        self.model.pop(key, None)
        self.timers.cancel(key)

    @rule(wait=st.integers(0, 3))
    def advance(self, wait: int) -> None:
        self.now += wait
        due = sorted((at_step, key) for key, at_step in self.model.items() if at_step[0] <= self.now)
        assert self.timers.pop_due(self.now) == [key for _, key in due]
        for _, key in due:
            del self.model[key]
        assert self.timers.soonest == self._soonest()

    @invariant()
    def agrees(self) -> None:
        assert self.timers.next() == min((at for at, _ in self.model.values()), default=None)
        assert self.timers.soonest <= self._soonest()
        assert self.model or self.timers.soonest == math.inf
        assert [key in self.timers for key in range(6)] == [key in self.model for key in range(6)]

    def _soonest(self) -> float:
        return min((at for at, _ in self.model.values()), default=math.inf)


TimersModel.TestCase.settings = settings(max_examples=200, stateful_step_count=40)
TestTimers = TimersModel.TestCase


def test_a_deadline_that_is_replaced_often_does_not_pile_up() -> None:
    timers: Timers[str] = Timers()
    timers.set("far", 1e9)
    for step in range(10_000):
        timers.set("near", 1e6 + step)
    assert len(timers._heap) <= 100
    for step in range(10_000):
        timers.set(f"key {step}", 1e6)
        timers.cancel(f"key {step}")
    assert len(timers._heap) <= 100
    assert timers.pop_due(2e6) == ["near"]
    assert timers.next() == 1e9


def test_the_first_of_several_deadlines() -> None:
    assert earliest(None, 2.0, 1.0, None, 3.0) == 1.0
    assert earliest(None, 0.0) == 0.0
    assert earliest(None, None) is None
    assert earliest() is None
