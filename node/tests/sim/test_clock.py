"""Virtual time."""

from __future__ import annotations

from macula.sim.clock import Clock


def test_actions_happen_in_the_order_of_their_time_then_of_scheduling() -> None:
    clock = Clock()
    done: list[tuple[str, float]] = []
    for name, at in (("c", 2.0), ("a", 1.0), ("b", 1.0)):
        clock.at(at, lambda name=name: done.append((name, clock.now)))  # type: ignore[misc]
    while clock.step(10.0):
        pass
    assert done == [("a", 1.0), ("b", 1.0), ("c", 2.0)]
    assert clock.now == 10.0


def test_time_goes_on_without_actions_and_never_back() -> None:
    clock = Clock()
    assert clock.step(5.0) is False
    assert clock.step(3.0) is False
    assert (clock.now, clock.wall) == (5.0, Clock.EPOCH + 5.0)


def test_what_was_due_in_the_past_happens_now() -> None:
    clock = Clock()
    clock.step(5.0)
    times: list[float] = []
    clock.at(1.0, lambda: times.append(clock.now))
    assert clock.step(5.0) is True
    assert times == [5.0]


def test_later_actions_wait() -> None:
    clock = Clock()
    times: list[float] = []
    clock.at(7.0, lambda: times.append(clock.now))
    assert clock.step(5.0) is False
    assert times == []
    assert clock.step(7.0) is True
    assert times == [7.0]
