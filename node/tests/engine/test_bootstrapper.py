"""Ways into the mesh: tried, lost, found again."""

from __future__ import annotations

import random

import pytest

from macula.core.effects import Dial, Pin, Trace
from macula.core.events import UNREACHABLE, PeerSuspect
from macula.core.requests import Hold, PeerDown, Release
from macula.core.results import BootstrapStatus
from macula.core.service import Action
from macula.engine.bootstrapper import Bootstrapper
from macula.engine.notices import AddressFailed, AddressUp
from macula.engine.settings import Bootstrap, ReconnectSettings
from macula.identity import NodeId
from macula.wire import codes

from .playbook import Table, address, node


class Entry:
    """A bootstrapper with its table, and the latest dial."""

    def __init__(self, *bootstraps: Bootstrap, seed: int = 1, **reconnect: object) -> None:
        self.table = Table()
        settings = ReconnectSettings(**reconnect)  # type: ignore[arg-type]
        self.bootstrapper = Bootstrapper(bootstraps, settings, 3.0, random.Random(seed))
        self.bootstrapper.start(0.0)

    def tick(self, now: float) -> list[Dial]:
        actions = self.bootstrapper.tick(now, self.table.peers)
        assert all(isinstance(action, Dial) for action in actions)
        return [action for action in actions if isinstance(action, Dial)]

    def fail(self, dial: int, now: float, reason: str = "no answer", code: str = UNREACHABLE) -> list[Action]:
        return self.bootstrapper.notice(AddressFailed(dial, code, reason), now)

    def join(self, dial: int, peer: NodeId, now: float) -> list[Action]:
        return self.bootstrapper.notice(AddressUp(dial, peer), now)


def test_all_are_dialed_at_once() -> None:
    entry = Entry(Bootstrap(address(1)), Bootstrap(address(2), node(2)))
    assert entry.bootstrapper.next_deadline() == 0.0
    first, second = entry.tick(0.0)
    assert (first.addresses, first.expected, first.timeout) == ((address(1),), None, 3.0)
    assert (second.addresses, second.expected) == ((address(2),), node(2))
    assert entry.tick(1.0) == []
    assert entry.bootstrapper.next_deadline() is None


def test_an_unknown_identity_is_pinned_and_expected_from_then_on() -> None:
    entry = Entry(Bootstrap(address(1)))
    (dial,) = entry.tick(0.0)
    hold, trace, pin = entry.join(dial.dial, node(1), 0.1)
    assert hold == Hold(node(1))
    assert isinstance(trace, Trace)
    assert trace.name == "bootstrap.joined"
    assert pin == Pin(address(1), node(1))
    entry.bootstrapper.peer_down(PeerDown(node(1), "idle", ""), 10.0)
    (again,) = entry.tick(20.0)
    assert again.expected == node(1)
    assert [type(action) for action in entry.join(again.dial, node(1), 20.1)] == [Hold, Trace]


@pytest.mark.parametrize("seed", range(5))
def test_failures_back_off_from_5_to_60_seconds_with_jitter(seed: int) -> None:
    entry = Entry(Bootstrap(address(1)), seed=seed)
    now, delays = 0.0, []
    for _ in range(8):
        (dial,) = entry.tick(now)
        (trace,) = entry.fail(dial.dial, now)
        assert isinstance(trace, Trace)
        assert trace.name == "bootstrap.failed"
        at = entry.bootstrapper.next_deadline()
        assert at is not None
        assert trace.fields["next_in"] == round(at - now, 1)
        delays.append(at - now)
        now = at
    for delay, mean in zip(delays, (5, 10, 20, 40, 60, 60, 60, 60), strict=True):
        assert 0.5 * mean <= delay <= 1.5 * mean
    assert len({round(delay / mean, 6) for delay, mean in zip(delays[4:], (60,) * 4, strict=True)}) == 4


def test_given_up_after_the_configured_attempts() -> None:
    entry = Entry(Bootstrap(address(1)), max_attempts=2)
    (dial,) = entry.tick(0.0)
    entry.fail(dial.dial, 3.0)
    (dial,) = entry.tick(100.0)
    (trace,) = entry.fail(dial.dial, 103.0)
    assert isinstance(trace, Trace)
    assert (trace.name, trace.fields["attempts"]) == ("bootstrap.given_up", 2)
    assert entry.bootstrapper.next_deadline() is None


def test_without_reconnecting_a_bootstrap_is_sought_until_it_was_reached_once() -> None:
    entry = Entry(Bootstrap(address(1)), enabled=False)
    (dial,) = entry.tick(0.0)
    (trace,) = entry.fail(dial.dial, 3.0)
    assert isinstance(trace, Trace)
    assert trace.name == "bootstrap.failed"
    (dial,) = entry.tick(15.0)
    entry.join(dial.dial, node(1), 15.1)
    release, lost = entry.bootstrapper.peer_down(PeerDown(node(1), "idle", ""), 20.0)
    assert release == Release(node(1))
    assert isinstance(lost, Trace) and lost.name == "bootstrap.lost"
    assert entry.bootstrapper.next_deadline() is None


def test_a_lost_bootstrap_is_sought_soon_and_released() -> None:
    entry = Entry(Bootstrap(address(1)))
    (dial,) = entry.tick(0.0)
    entry.join(dial.dial, node(1), 0.1)
    release, trace = entry.bootstrapper.peer_down(PeerDown(node(1), "idle", "gone"), 10.0)
    assert release == Release(node(1))
    assert isinstance(trace, Trace)
    assert (trace.name, trace.fields["reason"]) == ("bootstrap.lost", "gone")
    at = entry.bootstrapper.next_deadline()
    assert at is not None
    assert 10.5 <= at <= 12.5
    (dial,) = entry.tick(at)
    assert entry.join(dial.dial, node(1), at)[0] == Hold(node(1))


def test_a_bootstrap_that_does_not_answer_is_dialed_beside_its_connection() -> None:
    entry = Entry(Bootstrap(address(1)))
    (dial,) = entry.tick(0.0)
    entry.join(dial.dial, node(1), 0.1)
    entry.bootstrapper.peer_suspect(PeerSuspect(node(1), True), 10.0)
    at = entry.bootstrapper.next_deadline()
    assert at is not None and 11.0 <= at <= 12.0
    (dial,) = entry.tick(at)
    assert dial.expected == node(1)
    assert [type(action) for action in entry.fail(dial.dial, at + 3.0)] == [Trace]
    (dial,) = entry.tick(at + 30.0)
    # The new connection takes the place of the old one, which is told first.
    entry.bootstrapper.peer_down(PeerDown(node(1), codes.DUPLICATE, "replaced"), at + 30.1)
    assert entry.join(dial.dial, node(1), at + 30.1)[0] == Hold(node(1))
    assert entry.bootstrapper.next_deadline() is None


def test_a_bootstrap_that_answers_again_is_not_dialed() -> None:
    entry = Entry(Bootstrap(address(1)))
    (dial,) = entry.tick(0.0)
    entry.join(dial.dial, node(1), 0.1)
    entry.bootstrapper.peer_suspect(PeerSuspect(node(2), True), 10.0)
    assert entry.bootstrapper.next_deadline() is None, "it is none of them"
    entry.bootstrapper.peer_suspect(PeerSuspect(node(1), True), 10.0)
    entry.bootstrapper.peer_suspect(PeerSuspect(node(1), False), 10.5)
    assert entry.bootstrapper.next_deadline() is None
    entry.bootstrapper.peer_suspect(PeerSuspect(node(1), True), 20.0)
    (dial,) = entry.tick(25.0)
    entry.bootstrapper.peer_suspect(PeerSuspect(node(1), False), 26.0)
    assert entry.join(dial.dial, node(1), 26.1) == [], "it is held already"
    assert entry.bootstrapper.next_deadline() is None


def test_a_dial_beside_a_connection_that_is_well_again_ends_it() -> None:
    entry = Entry(Bootstrap(address(1)))
    (dial,) = entry.tick(0.0)
    entry.join(dial.dial, node(1), 0.1)
    entry.bootstrapper.peer_suspect(PeerSuspect(node(1), True), 20.0)
    (dial,) = entry.tick(25.0)
    entry.bootstrapper.peer_suspect(PeerSuspect(node(1), False), 26.0)
    assert entry.fail(dial.dial, 28.0) == []
    assert entry.bootstrapper.next_deadline() is None


def test_a_stopping_node_seeks_nobody() -> None:
    entry = Entry(Bootstrap(address(1)), Bootstrap(address(2)))
    first, second = entry.tick(0.0)
    entry.join(first.dial, node(1), 0.1)
    entry.bootstrapper.stop()
    entry.bootstrapper.peer_down(PeerDown(node(1), "going_away", ""), 1.0)
    entry.fail(second.dial, 3.0)
    assert entry.bootstrapper.next_deadline() is None


def test_nodes_do_not_all_return_at_the_same_moment() -> None:
    moments = set()
    for seed in range(10):
        entry = Entry(Bootstrap(address(1)), seed=seed)
        (dial,) = entry.tick(0.0)
        entry.join(dial.dial, node(1), 0.1)
        entry.bootstrapper.peer_down(PeerDown(node(1), "idle", ""), 10.0)
        moments.add(entry.bootstrapper.next_deadline())
    assert len(moments) == 10


def test_success_resets_the_backoff() -> None:
    entry = Entry(Bootstrap(address(1)))
    now = 0.0
    for _ in range(5):
        (dial,) = entry.tick(now)
        entry.fail(dial.dial, now)
        now += 100.0
    (dial,) = entry.tick(now)
    entry.join(dial.dial, node(1), now)
    entry.bootstrapper.peer_down(PeerDown(node(1), "idle", ""), now)
    (dial,) = entry.tick(now + 3)
    entry.fail(dial.dial, now + 3)
    at = entry.bootstrapper.next_deadline()
    assert at is not None
    assert 2.5 <= at - (now + 3) <= 7.5


@pytest.mark.parametrize(
    ("pinned", "remedy"),
    [
        (True, {"remedy": "macula pins forget 10.0.0.1:9443", "pinned_in": "pins.json in the data directory"}),
        (False, {"remedy": "the setting bootstrap or relays names another node id"}),
    ],
)
def test_a_changed_identity_names_the_remedy(pinned: bool, remedy: dict[str, str]) -> None:
    entry = Entry(Bootstrap(address(1), node(1), pinned))
    (dial,) = entry.tick(0.0)
    (trace,) = entry.fail(dial.dial, 0.1, "expected a, found b", codes.BAD_IDENTITY)
    assert isinstance(trace, Trace)
    named = {"address": "10.0.0.1:9443", "reason": "expected a, found b", "next_in": trace.fields["next_in"]}
    assert trace.fields == {**named, **remedy}


def test_who_was_pinned_in_this_run_is_a_pin_too() -> None:
    entry = Entry(Bootstrap(address(1)))
    (dial,) = entry.tick(0.0)
    entry.join(dial.dial, node(1), 0.1)
    entry.bootstrapper.peer_down(PeerDown(node(1), "idle", ""), 10.0)
    (dial,) = entry.tick(20.0)
    (trace,) = entry.fail(dial.dial, 20.1, "expected a, found b", codes.BAD_IDENTITY)
    assert isinstance(trace, Trace)
    assert "macula pins forget" in str(trace.fields["remedy"])


@pytest.mark.parametrize("reason", ["no answer", "10.0.0.1:9443: bad_identity: says the peer"])
def test_other_failures_name_no_remedy_whatever_the_peer_said(reason: str) -> None:
    entry = Entry(Bootstrap(address(1), node(1), pinned=True))
    (dial,) = entry.tick(0.0)
    (trace,) = entry.fail(dial.dial, 3.0, reason)
    assert isinstance(trace, Trace)
    assert "remedy" not in trace.fields


def test_the_nodes_own_address_is_said_to_be_that() -> None:
    entry = Entry(Bootstrap(address(0)))
    (dial,) = entry.tick(0.0)
    (trace,) = entry.fail(dial.dial, 0.1, "the address is this node's own")
    assert isinstance(trace, Trace)
    assert trace.fields["reason"] == "the address is this node's own"


def test_two_addresses_of_one_node_hold_it_twice_and_release_it_twice() -> None:
    entry = Entry(Bootstrap(address(1)), Bootstrap(address(2)))
    first, second = entry.tick(0.0)
    assert entry.join(first.dial, node(1), 0.1)[0] == Hold(node(1))
    assert entry.join(second.dial, node(1), 0.1)[0] == Hold(node(1))
    down = entry.bootstrapper.peer_down(PeerDown(node(1), "idle", ""), 10.0)
    assert [action for action in down if isinstance(action, Release)] == [Release(node(1))] * 2


def test_notices_and_losses_of_others_are_ignored() -> None:
    entry = Entry(Bootstrap(address(1)))
    (dial,) = entry.tick(0.0)
    assert entry.join(dial.dial + 1, node(2), 0.1) == []
    assert entry.bootstrapper.peer_down(PeerDown(node(2), "idle", ""), 0.2) == []


def test_it_says_who_is_connected_and_why_others_are_not() -> None:
    entry = Entry(Bootstrap(address(1)), Bootstrap(address(2)))
    first, second = entry.tick(0.0)
    entry.join(first.dial, node(1), 0.1)
    entry.fail(second.dial, 3.0, "no answer")
    assert entry.bootstrapper.status() == (
        BootstrapStatus(address(1), node(1), 0),
        BootstrapStatus(address(2), None, 1, UNREACHABLE, "no answer"),
    )
    (again,) = entry.tick(30.0)
    entry.join(again.dial, node(2), 30.1)
    assert entry.bootstrapper.status()[1] == BootstrapStatus(address(2), node(2), 0)
