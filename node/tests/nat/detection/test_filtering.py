"""Whom a filter lets in is believed to be known only when the control question was answered; what spoils a mapping."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import count

import pytest

from macula.core.address import Address
from macula.core.effects import OpenSocket, SendDatagram
from macula.core.events import DatagramReceived, SocketOpened
from macula.core.requests import SendTo
from macula.nat import stun
from macula.nat.detection.bench import Bench, Run, Script
from macula.nat.detection.filtering import TRIES, measure_filtering, measure_spoiling
from macula.nat.detection.findings import Findings, Observer
from macula.nat.stun import Endpoint, Kind, Message, Type
from macula.wire.messages import ObserverAsk, ObserverTold

from .scene import identity

FIRST = Observer(Address("192.0.2.1", 9443), identity("192.0.2.1").node_id, 9444)
SECOND = Observer(Address("192.0.2.2", 9443), identity("192.0.2.2").node_id, 9444)
OUTSIDE = Address("198.51.100.7", 40_000)
LIAR = identity("192.0.2.9").node_id


class Drive:
    """One measurement of the filter, and an observer that does as the test says. `change_from` is where the answer to
    CHANGE-REQUEST comes from."""

    def __init__(
        self,
        *,
        answers: int = 1_000,
        change_from: Address | None = None,
        stranger: Address | None = None,
        sends: bool | None = True,
        seen_by_second: Address | None = None,
        measure: Callable[[Bench, Observer, Observer, Findings], Script[None]] = measure_filtering,
    ) -> None:
        self.seen_by_second = seen_by_second
        self.answers = answers
        self.change_from = change_from
        self.stranger = stranger
        self.sends = sends
        self.findings = Findings(mesh={FIRST.place: OUTSIDE, SECOND.place: OUTSIDE})
        self.knocks = self.unasked = 0
        bench = Bench(random.Random(1), count(10), 80)
        self.run = Run(bench, measure(bench, FIRST, SECOND, self.findings), 0.0)
        now = 0.0
        while not self.run.done:
            for action in self.run.step(now):
                match action:
                    case OpenSocket(number):
                        bench.socket(SocketOpened(number, Address("10.0.0.2", 40_000)))
                    case SendDatagram(target, data, number):
                        if target == SECOND.place:
                            assert self.unasked > 0, "who was sent to is a stranger no longer"
                            self._asked_second(stun.decode(data), number)
                        else:
                            assert target == FIRST.place
                            self._asked(stun.decode(data), number)
                    case SendTo(peer, _, ObserverAsk(request, transaction, port)):
                        assert (peer, port) == (SECOND.peer, OUTSIDE.port)
                        self._asked_observer(request, transaction)
            if self.run.deadline is not None:
                now = min(now + 0.05, self.run.deadline) if now < self.run.deadline else now + 0.05

    def _asked(self, asked: Message, number: int) -> None:
        if asked.change:
            self.knocks += 1
            if self.change_from is not None:
                self._arrive(asked.transaction, number, self.change_from)
        elif self.answers:
            self.answers -= 1
            self._arrive(asked.transaction, number, FIRST.place)

    def _asked_observer(self, request: int, transaction: bytes) -> None:
        self.unasked += 1
        bench = self.run.bench
        bench.observer_told(LIAR, ObserverTold(request, 0, True, ()))
        assert bench.told(request) is None, "only who was asked can answer"
        if self.stranger is not None:
            self._arrive(stun.MAGIC_COOKIE + transaction, 10, self.stranger)
        if self.sends is not None:
            assert SECOND.peer
            bench.observer_told(SECOND.peer, ObserverTold(request, 9444, self.sends, ()))

    def _asked_second(self, asked: Message, number: int) -> None:
        if self.seen_by_second is not None:
            self._arrive(asked.transaction, number, SECOND.place, self.seen_by_second)

    def _arrive(self, transaction: bytes, number: int, source: Address, seen: Address = OUTSIDE) -> None:
        value = stun.xor_address_value(Endpoint(seen.host, seen.port), transaction)
        message = Message(Kind.SUCCESS, transaction, ((Type.XOR_MAPPED_ADDRESS, value),))
        self.run.bench.received(DatagramReceived(source, stun.encode(message), number), message)


def told(drive: Drive) -> tuple[bool | None, bool | None]:
    return drive.findings.port_let_in, drive.findings.address_let_in


def test_what_comes_was_let_in_and_is_not_asked_for_again() -> None:
    drive = Drive(change_from=Address("192.0.2.1", 9444), stranger=SECOND.place)

    assert told(drive) == (True, True)
    assert drive.knocks == 1


def test_what_does_not_come_is_kept_out_if_the_control_question_is_answered() -> None:
    drive = Drive()

    assert told(drive) == (False, False)
    assert drive.knocks == TRIES


def test_nothing_is_believed_where_the_control_question_is_not_answered() -> None:
    assert told(Drive(answers=1)) == (None, None)


@pytest.mark.parametrize("sends", [False, None])
def test_a_datagram_that_was_not_sent_was_not_kept_out(sends: bool | None) -> None:
    assert told(Drive(sends=sends)) == (False, None)


def test_an_answer_from_where_the_socket_had_sent_to_shows_nothing() -> None:
    assert told(Drive(change_from=FIRST.place, stranger=FIRST.place)) == (False, False)


@pytest.mark.parametrize(("seen", "spoiled"), [(OUTSIDE, False), (OUTSIDE._replace(port=50_000), True), (None, None)])
def test_what_nobody_asked_for_has_spoiled_the_mapping_or_not(seen: Address | None, spoiled: bool | None) -> None:
    drive = Drive(seen_by_second=seen, measure=measure_spoiling)

    assert drive.findings.spoiled is spoiled
    assert drive.unasked == 2


@pytest.mark.parametrize("sends", [False, None])
def test_what_was_not_sent_has_spoiled_nothing(sends: bool | None) -> None:
    assert Drive(sends=sends, seen_by_second=OUTSIDE, measure=measure_spoiling).findings.spoiled is None


def test_nothing_is_asked_for_at_another_host_than_the_observer_sees() -> None:
    findings = Findings(mesh={FIRST.place: OUTSIDE, SECOND.place: Address("198.51.100.8", 40_000)})
    bench = Bench(random.Random(1), count(10), 80)
    run = Run(bench, measure_filtering(bench, FIRST, SECOND, findings), 0.0)
    run.step(0.0)
    bench.socket(SocketOpened(10, Address("10.0.0.2", 40_000)))
    (asked,) = run.step(0.0)
    assert isinstance(asked, SendDatagram)
    transaction = stun.decode(asked.data).transaction
    value = stun.xor_address_value(Endpoint(OUTSIDE.host, OUTSIDE.port), transaction)
    message = Message(Kind.SUCCESS, transaction, ((Type.XOR_MAPPED_ADDRESS, value),))
    bench.received(DatagramReceived(FIRST.place, stun.encode(message), 10), message)

    assert not [action for action in run.step(0.1) if isinstance(action, SendTo)]
