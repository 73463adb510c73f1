"""A graceful stop."""

from __future__ import annotations

from macula.core.effects import ClosePeer, Completed
from macula.engine.shutdown import ShutdownState

from .playbook import node


def test_the_first_request_sets_the_deadline_and_all_are_answered() -> None:
    state = ShutdownState()
    assert (state.requested, state.next_deadline(), state.overdue(1e9)) == (False, None, False)
    assert state.request(1, 30.0) is True
    assert state.request(2, 99.0) is False
    assert state.next_deadline() == 30.0
    assert not state.overdue(29.9)
    assert state.overdue(30.0)
    assert state.finish([node(1), node(2)]) == [
        ClosePeer(node(1), "going_away", "the node is stopping"),
        ClosePeer(node(2), "going_away", "the node is stopping"),
        Completed(1),
        Completed(2),
    ]


def test_finished_once_and_later_requests_are_answered_at_once() -> None:
    state = ShutdownState()
    state.request(1, 30.0)
    state.finish([node(1)])
    assert state.requested
    assert state.next_deadline() is None
    assert state.finish([node(1)]) == []
    assert state.request(2, 60.0) is False
    assert state.finish([node(1)]) == [Completed(2)]
