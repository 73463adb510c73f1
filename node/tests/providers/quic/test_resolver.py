from __future__ import annotations

import asyncio
import threading

import pytest

from macula.core.address import Address
from macula.providers.quic import resolver
from macula.providers.quic.resolver import MAX_WAITING, Resolver

HERE = Address("192.0.2.1", 9443)
THERE = Address("192.0.2.2", 9443)
NAME = Address("relay.example", 9443)


class Answers:
    """What a resolver answered, and whether it has."""

    def __init__(self) -> None:
        self.all: list[tuple[tuple[Address, ...], tuple[str, ...]]] = []
        self._changed = asyncio.Event()

    def take(self, addresses: tuple[Address, ...], failures: tuple[str, ...]) -> None:
        self.all.append((addresses, failures))
        self._changed.set()

    async def next(self) -> tuple[tuple[Address, ...], tuple[str, ...]]:
        self._changed.clear()
        async with asyncio.timeout(5.0):
            await self._changed.wait()
        return self.all[-1]


async def test_literals_are_answered_at_once_and_names_in_their_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "look_up", lambda name: (THERE, HERE))
    subject, answers = Resolver(asyncio.get_running_loop()), Answers()
    subject.resolve((HERE,), 1.0, answers.take)
    assert answers.all == [((HERE,), ())]
    subject.resolve((NAME, HERE), 5.0, answers.take)
    assert await answers.next() == ((THERE, HERE), ())
    subject.close("closed")


async def test_a_slow_answer_is_given_up_at_the_timeout_and_when_closing(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()
    monkeypatch.setattr(resolver, "look_up", lambda name: (THERE,) if gate.wait(10.0) else ())
    subject, answers = Resolver(asyncio.get_running_loop()), Answers()
    subject.resolve((NAME,), 0.05, answers.take)
    assert await answers.next() == ((), ("relay.example:9443: no DNS answer within 0.05 s",))
    subject.resolve((NAME,), 60.0, answers.take)
    subject.close("the node is stopping")
    assert answers.all[1:] == [((), ("relay.example:9443: the node is stopping",))]
    gate.set()


async def test_the_number_of_names_that_wait_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()
    monkeypatch.setattr(resolver, "look_up", lambda name: (THERE,) if gate.wait(10.0) else ())
    subject, answers = Resolver(asyncio.get_running_loop()), Answers()
    for _ in range(MAX_WAITING + 1):
        subject.resolve((NAME,), 60.0, answers.take)
    assert await answers.next() == ((), ("relay.example:9443: too many names are being looked up",))
    assert len(answers.all) == 1
    subject.close("closed")
    gate.set()
