from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from macula.pubsub.sequence import MAX_LOSSES, Place, Window


def test_in_order() -> None:
    window = Window[str](5)
    assert window.put(5, "a") == ["a"]
    assert window.put(6, "b") == ["b"]
    assert window.place(5) is Place.SEEN
    assert window.place(7) is Place.NEXT
    assert window.place(4) is Place.LATE, "before the window"


def test_a_gap_holds_back_until_it_is_filled() -> None:
    window = Window[str](0)
    assert window.put(1, "b") == []
    assert window.put(2, "c") == []
    assert window.place(1) is Place.HELD
    assert window.place(3) is Place.AHEAD
    assert window.put(0, "a") == ["a", "b", "c"]


def test_what_is_skipped_is_lost_and_not_taken_as_seen() -> None:
    window = Window[str](0)
    window.put(2, "c")
    window.put(5, "f")
    window.put(7, "h")
    assert window.skip_to(5) == ["c", "f"]
    assert [window.place(i) for i in range(8)] == [
        Place.LATE,
        Place.LATE,
        Place.SEEN,
        Place.LATE,
        Place.LATE,
        Place.SEEN,
        Place.NEXT,
        Place.HELD,
    ]


def test_memory_of_losses_is_bounded_and_errs_towards_lost() -> None:
    window = Window[int](0)
    for i in range(1, 10 * MAX_LOSSES, 2):
        window.skip_to(i)
        window.put(i, i)
    assert len(window._lost_from) == len(window._lost_to) == MAX_LOSSES
    assert window.place(1) is Place.LATE
    assert window.place(window.next - 1) is Place.SEEN
    assert window.place(window.next - 2) is Place.LATE


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 30)), max_size=60))
def test_each_item_comes_out_once_and_in_order(steps: list[tuple[bool, int]]) -> None:
    window = Window[int](0)
    out: list[int] = []
    for skip, sequence in steps:
        if skip:
            out += window.skip_to(sequence)
        elif window.place(sequence) in (Place.NEXT, Place.AHEAD):
            out += window.put(sequence, sequence)
        for seen in range(window.next):
            assert (window.place(seen) is Place.SEEN) == (seen in out)
    assert out == sorted(set(out))
