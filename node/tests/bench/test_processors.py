from __future__ import annotations

import os

from benchmarks.processors import Side, taken


def test_each_side_stays_on_a_processor_of_its_own_where_there_are_two() -> None:
    before = os.sched_getaffinity(0)
    used = {}
    for side in Side:
        with taken(side):
            (used[side],) = os.sched_getaffinity(0)
        assert os.sched_getaffinity(0) == before
    assert len(set(used.values())) == min(len(before), len(Side))
