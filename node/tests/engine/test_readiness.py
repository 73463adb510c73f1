"""Waiting until the node is in the mesh."""

from __future__ import annotations

from macula.core.effects import Completed
from macula.core.events import UNREACHABLE
from macula.engine.notices import AddressFailed, AddressUp
from macula.engine.readiness import Readiness
from macula.engine.settings import Bootstrap
from macula.errors import PeerUnreachable

from .playbook import address, node


def test_all_who_wait_are_told_once() -> None:
    readiness = Readiness((Bootstrap(address(1)),))
    readiness.wait(1, 10.0)
    readiness.wait(2, 5.0)
    assert readiness.next_deadline() == 5.0
    assert sorted(done.id for done in readiness.ready() if isinstance(done, Completed)) == [1, 2]
    assert readiness.ready() == []
    assert readiness.next_deadline() is None


def test_who_waited_in_vain_is_told_the_latest_failures() -> None:
    readiness = Readiness((Bootstrap(address(1)), Bootstrap(address(2))))
    readiness.wait(1, 10.0)
    for number, reason in enumerate(("first", "second", "third")):
        readiness.attempted(AddressFailed(number, UNREACHABLE, reason))
    readiness.attempted(AddressUp(9, node(1)))
    assert readiness.tick(9.9) == []
    (done,) = readiness.tick(10.0)
    assert isinstance(done, Completed)
    assert isinstance(done.error, PeerUnreachable)
    assert done.error.attempts == ("second", "third")
    assert "10.0.0.1:9443, 10.0.0.2:9443" in str(done.error)
    assert readiness.tick(20.0) == []


def test_without_an_answer_so_far_that_is_said() -> None:
    readiness = Readiness((Bootstrap(address(1)),))
    readiness.wait(1, 10.0)
    (done,) = readiness.tick(10.0)
    assert isinstance(done, Completed)
    assert isinstance(done.error, PeerUnreachable)
    assert done.error.attempts == ("no answer yet",)
