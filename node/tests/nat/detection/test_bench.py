"""The means of measurements: waiting, sockets that are not to be had, and an end to everything."""

from __future__ import annotations

import random
from itertools import count

from macula.core.address import Address
from macula.core.effects import CloseSocket, OpenSocket, SendDatagram
from macula.core.events import SocketFailed, SocketOpened
from macula.nat.detection.bench import OPENING, TIMEOUTS, Bench, Heard, Run, Script, Socket

SERVER = Address("192.0.2.1", 9443)
LOCAL = Address("10.0.0.2", 5000)


def bench(budget: int = 100) -> Bench:
    return Bench(random.Random(1), count(10), budget)


def test_a_question_is_asked_again_ever_later_and_given_up() -> None:
    answers: list[Heard | None] = []

    def script(means: Bench) -> Script[None]:
        answers.append((yield from means.ask(0, SERVER)))

    means = bench()
    run = Run(means, script(means), 5.0)
    times = []
    while not run.done:
        assert run.deadline is not None
        now = run.deadline
        if any(isinstance(action, SendDatagram) for action in run.step(now)):
            times.append(now - 5.0)

    assert times == [0.0, 0.5, 1.5, 3.5]
    assert now == 5.0 + sum(TIMEOUTS)
    assert answers == [None]


def test_nothing_is_sent_beyond_the_budget() -> None:
    reached = []

    def script(means: Bench) -> Script[None]:
        for number in range(10):
            reached.append(number)
            means.post(0, SERVER)
            yield from means.wait(0.0)

    means = bench(3)
    run = Run(means, script(means), 0.0)
    actions = run.step(0.0)

    assert run.done and run.deadline is None
    assert (len(actions), reached) == (3, [0, 1, 2, 3])
    assert run.step(1.0) == []


def test_a_socket_that_is_not_to_be_had_is_none() -> None:
    got: list[Socket | None] = []

    def script(means: Bench) -> Script[None]:
        for _ in range(3):
            got.append((yield from means.open(SERVER)))

    means = bench()
    run = Run(means, script(means), 0.0)
    assert run.step(0.0) == [OpenSocket(10, toward=SERVER)]
    means.socket(SocketOpened(10, LOCAL))
    means.socket(SocketOpened(99, LOCAL))
    assert run.step(0.1) == [OpenSocket(11, toward=SERVER)]
    means.socket(SocketFailed(11, "no"))
    assert run.step(0.2) == [CloseSocket(11), OpenSocket(12, toward=SERVER)]
    assert run.step(OPENING) == []
    assert run.step(0.2 + OPENING) == [CloseSocket(12), CloseSocket(10)]
    assert got == [Socket(10, LOCAL), None, None]


def test_what_is_cancelled_gives_its_sockets_back() -> None:
    def script(means: Bench) -> Script[None]:
        yield from means.open(SERVER)
        yield from means.wait(1000.0)

    means = bench()
    run = Run(means, script(means), 0.0)
    run.step(0.0)
    means.socket(SocketOpened(10, LOCAL))
    run.step(0.0)

    assert run.cancel() == [CloseSocket(10)]
    assert run.done


def test_scripts_that_go_on_together_take_as_long_as_the_longest() -> None:
    ended: list[tuple[float, float]] = []

    def wait(means: Bench, *seconds: float) -> Script[None]:
        for each in seconds:
            yield from means.wait(each)
        ended.append((sum(seconds), means.now))

    def script(means: Bench) -> Script[None]:
        yield from means.together(wait(means, 1.0, 1.0), wait(means, 0.5), wait(means, 1.0, 2.0), wait(means))
        ended.append((0.0, means.now))

    means = bench()
    run = Run(means, script(means), 0.0)
    while (at := run.deadline) is not None:
        run.step(at)

    assert ended == [(0, 0.0), (0.5, 0.5), (2.0, 2.0), (3.0, 3.0), (0.0, 3.0)]


def test_one_that_has_sent_too_much_ends_all_that_go_on_together() -> None:
    def spend(means: Bench) -> Script[None]:
        while True:
            means.post(0, SERVER)
            yield from means.wait(1.0)

    means = bench(3)
    run = Run(means, means.together(spend(means), means.wait(1000.0)), 0.0)
    while (at := run.deadline) is not None:
        run.step(at)

    assert at is None and means.now == 3.0
