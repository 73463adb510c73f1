from __future__ import annotations

from typing import cast

from macula.core.service import Service
from macula.engine.deadlines import Deadlines


class Part:
    def __init__(self, at: float | None) -> None:
        self.at = at
        self.asked = 0

    def next_deadline(self) -> float | None:
        self.asked += 1
        return self.at


def test_the_first_of_all_counts_and_who_was_told_nothing_is_not_asked_again() -> None:
    services, others = [Part(5.0), Part(None)], [Part(4.0), Part(9.0)]
    deadlines = Deadlines({number: cast("Service", part) for number, part in enumerate(services)}, others)
    assert deadlines.next() == 4.0
    services[1].at = 3.0
    assert deadlines.next() == 4.0
    deadlines.told.add(1)
    assert deadlines.next() == 3.0
    assert [part.asked for part in (*services, *others)] == [1, 2, 1, 1]


def test_the_others_are_remembered_until_they_are_stirred() -> None:
    other = Part(4.0)
    deadlines = Deadlines({}, [other])
    assert deadlines.next() == 4.0
    other.at = None
    assert deadlines.next() == 4.0, "a tick too early does no harm"
    deadlines.stirred = True
    assert deadlines.next() is None
