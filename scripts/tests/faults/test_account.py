import math
from collections.abc import Mapping

import pytest

from macula_lab.faults.account import LATE, Account, Call, Event, disturbed, within

CALLS = tuple(Call(number, number / 20, number / 20 + 0.01, "ab"[number % 2], number) for number in range(1, 11))
RUNS = {"a": (2, 4, 6, 8, 10), "b": (1, 3, 5, 7, 9)}
EVENTS = tuple(Event(number, number / 20, frozenset({"c", "d"})) for number in range(1, 4))
HEARD = {"c": (1, 2, 3), "d": (1, 2, 3)}


def account(
    calls: tuple[Call, ...] = CALLS,
    runs: Mapping[str, tuple[int, ...]] = RUNS,
    events: tuple[Event, ...] = EVENTS,
    heard: Mapping[str, tuple[int, ...]] = HEARD,
    codes: frozenset[str] = frozenset(),
    asked: int = 10,
) -> Account:
    return Account(calls, asked, runs, events, heard, codes)


def failed(number: int, code: str) -> tuple[Call, ...]:
    return (*CALLS[: number - 1], Call(number, number / 20, number / 20 + 3.0, error=code), *CALLS[number:])


def test_nothing_is_wrong_with_calls_run_once_and_events_heard_once() -> None:
    made = account()
    assert made.findings == [] and not made.lost
    assert made.events_acknowledged == 6


def test_a_call_without_an_answer_is_lost_by_its_code_whether_or_not_it_was_run() -> None:
    made = account(calls=failed(3, "timeout"))
    assert made.lost == {"timeout": 1}
    assert made.findings == ["1 calls ended as timeout"]
    assert account(calls=failed(3, "timeout"), codes=frozenset({"timeout"})).findings == []
    assert account(calls=failed(3, "timeout"), runs=RUNS | {"b": (1, 5, 7, 9)}).run_twice == 0


@pytest.mark.parametrize("runs", [RUNS | {"a": (2, 3, 4, 6, 8, 10)}, RUNS | {"b": (1, 3, 3, 5, 7, 9)}])
def test_no_call_is_run_twice_by_two_providers_or_by_one(runs: dict[str, tuple[int, ...]]) -> None:
    assert account(runs=runs).findings == ["1 calls were run twice"]


def test_no_call_that_failed_is_run_twice_either() -> None:
    made = account(calls=failed(3, "timeout"), runs=RUNS | {"a": (2, 3, 4, 6, 8, 10)}, codes=frozenset({"timeout"}))
    assert made.findings == ["1 calls were run twice"]


def test_an_answer_must_be_that_of_the_one_who_ran_the_call() -> None:
    assert account(runs=RUNS | {"b": (1, 5, 7, 9)}).findings == ["1 answers that are not their provider's"]
    wrong = (Call(1, 0.05, 0.06, "b", 7), *CALLS[1:])
    assert account(calls=wrong).unfounded == 1


def test_a_call_that_never_ended_hung_and_those_broken_off_with_the_load_do_not_count() -> None:
    assert account(asked=11).findings == ["1 calls never ended"]
    assert account(calls=failed(10, "timeout"), asked=9).findings == []


def test_an_event_is_owed_to_whom_acknowledged_it_once_and_in_order() -> None:
    assert account(heard={"c": (1, 3), "d": (1, 2, 3)}).findings == ["1 acknowledged events were lost"]
    assert account(heard={"c": (1, 2, 2, 3), "d": (1, 2, 3)}).findings == ["1 events came again"]
    assert account(heard={"c": (1, 3, 2), "d": (1, 2, 3)}).findings == ["1 events came out of order"]
    only_d = (*EVENTS[:2], Event(3, 0.15, frozenset({"d"})))
    assert account(events=only_d, heard={"c": (1, 2), "d": (1, 2, 3)}).findings == []
    assert account(events=only_d, heard={"c": (1, 2, 3), "d": (1, 2, 3)}).findings == []


def test_a_subscriber_that_acknowledged_nothing_proves_nothing() -> None:
    nobody = tuple(Event(number, 0.0, frozenset({"d"})) for number in range(1, 4))
    assert account(events=nobody, heard={"c": (), "d": (1, 2, 3)}).findings == ["c acknowledged no event"]


def test_how_long_calls_are_disturbed_counts_to_the_begin_of_the_last_one() -> None:
    calls = [Call(1, 1.0, 1.01, "a"), Call(2, 2.0, 5.0, error="timeout"), Call(3, 2.5, 2.5 + 2 * LATE, "a")]
    assert disturbed(calls, 1.5) == pytest.approx(1.0)
    assert disturbed(calls, 1.5, until=2.2) == pytest.approx(0.5)
    assert disturbed(calls, 2.6) == 0.0
    assert disturbed(calls[:1], 0.0) == 0.0


def test_within_how_long_most_calls_are_answered() -> None:
    calls = [Call(number, 1.0, 1.0 + number / 100, "a") for number in range(1, 100)]
    assert within(calls, 0.0, 2.0, 0.99) == pytest.approx(0.99)
    lost = Call(100, 1.0, 1.1, error="timeout")
    assert within([*calls, lost], 0.0, 2.0, 0.99) == pytest.approx(0.99), "one of a hundred may be lost"
    assert within([*calls, lost, lost], 0.0, 2.0, 0.99) == math.inf
    assert within(calls, 1.5, 2.0, 0.99) == math.inf, "nobody called"
