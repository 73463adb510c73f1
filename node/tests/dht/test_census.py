from __future__ import annotations

import pytest

from macula.core.requests import PeerDown, RecordStored
from macula.wire import codes
from macula.wire.messages import FindNode

from .desk import Desk
from .people import peer
from .test_publisher import ALL, joined, publish, run_to_stores, settle, stores


def asked(desk: Desk) -> int:
    """Questions who is closest that wait to be answered."""
    return sum(isinstance(each.message, FindNode) for each in desk.sent)


def published() -> Desk:
    """A node that has stored a record at all others there are."""
    desk = joined()
    publish(desk, "first")
    assert asked(desk)
    settle(desk)
    return desk


def test_who_knows_the_whole_mesh_stores_without_asking() -> None:
    desk = published()
    publish(desk, "second")
    assert not asked(desk)
    run_to_stores(desk)
    assert all(len(stores(desk, who, "second")) == 1 for who in ALL)
    assert settle(desk) == [RecordStored(7, 3)]


def test_it_is_asked_again_after_a_while() -> None:
    desk = published()
    desk.tick(desk.now + 61.0)
    settle(desk)
    publish(desk, "second")
    assert asked(desk)


def test_a_newcomer_is_asked_before_it_counts() -> None:
    desk = published()
    desk.up(peer(4))
    desk.sent.clear()
    publish(desk, "second")
    assert asked(desk)


@pytest.mark.parametrize("code", [codes.GOING_AWAY, codes.IDLE])
def test_whoever_is_not_connected_may_be_dead(code: str) -> None:
    desk = published()
    desk.feed(PeerDown(peer(2).node, code, ""))
    publish(desk, "second")
    assert asked(desk)


def test_of_a_larger_mesh_nobody_knows_all() -> None:
    desk = joined(k=3)
    publish(desk, "first")
    settle(desk)
    publish(desk, "second")
    assert asked(desk)
