from __future__ import annotations

import random

import pytest

from macula.core.events import MessageReceived, Tick
from macula.core.lanes import Lane
from macula.core.record import Kind, Record, sign_record
from macula.engine.clock import FOLLOWED, WallClock, jump, shown
from macula.identity import Identity
from macula.wire.messages import Hello, Ping, Store

WALL = 1_700_000_000.0
HOUR = 3600.0
PEER = Identity.from_random(random.Random(1))


def shown_at(at: float) -> Record:
    """The record of a peer that was made at this time."""
    return sign_record(PEER, "", Kind.PEER, str(PEER.node_id), {}, wall=at, ttl=300)


def agreeing() -> WallClock:
    """After 10 s, in which a peer agreed."""
    clock = WallClock()
    assert clock.read(0.0, WALL) == WALL
    clock.agree()
    assert clock.read(10.0, WALL + 10) == WALL + 10
    return clock


@pytest.mark.parametrize("seconds", [HOUR, -HOUR])
def test_a_jump_that_nobody_confirms_is_not_followed_and_its_end_is(seconds: float) -> None:
    clock = agreeing()
    assert clock.read(11.0, WALL + 11 + seconds) == WALL + 11, "time goes on as it did"
    assert clock.held == seconds
    clock.judge(shown_at(WALL + 11), 11.0)
    assert clock.read(20.0, WALL + 20 + seconds) == WALL + 20
    assert clock.read(21.0, WALL + 21) == WALL + 21
    assert clock.held == 0.0


@pytest.mark.parametrize("seconds", [HOUR, 200.0])
def test_a_host_that_was_suspended_is_followed_as_soon_as_a_peer_says_so(seconds: float) -> None:
    clock = agreeing()
    woken = WALL + 11 + seconds
    assert clock.read(11.0, woken) == WALL + 11
    clock.judge(shown_at(woken - 1), 11.0)
    assert (clock.read(11.0, woken), clock.held) == (woken, 0.0)


def test_after_a_jump_was_followed_the_next_one_is_too_until_somebody_agrees() -> None:
    clock = agreeing()
    clock.read(11.0, WALL + 11 + HOUR)
    clock.judge(shown_at(WALL + 11 + HOUR), 11.0)
    assert clock.read(12.0, WALL + 12 + HOUR) == WALL + 12 + HOUR, "the peer whose clock is wrong, too, was believed"
    assert clock.read(13.0, WALL + 13) == WALL + 13


def test_a_record_that_fits_both_times_decides_nothing() -> None:
    clock = agreeing()
    clock.read(11.0, WALL + 11 + 60)
    clock.judge(shown_at(WALL + 11), 11.0)
    clock.judge(shown_at(WALL - HOUR), 11.0)
    assert clock.held == 60


def test_who_has_agreed_with_nobody_follows_its_host() -> None:
    clock = WallClock()
    clock.read(0.0, WALL)
    assert clock.read(1.0, WALL + 1 - HOUR) == WALL + 1 - HOUR


def test_what_clocks_may_differ_by_is_followed_at_once() -> None:
    clock = agreeing()
    assert clock.read(11.0, WALL + 11 + FOLLOWED) == WALL + 11 + FOLLOWED
    assert clock.read(12.0, WALL + 12) == WALL + 12


def test_a_jump_and_its_end_are_told_as_a_warning() -> None:
    assert jump(0.0, HOUR).fields == {"seconds": HOUR, "followed": False}
    assert jump(HOUR, 0.0).fields == {"seconds": HOUR, "followed": True}


def test_only_a_record_of_the_sender_itself_says_what_time_it_has() -> None:
    other = Identity.from_random(random.Random(2))
    own, others = shown_at(WALL), sign_record(other, "", Kind.PEER, str(other.node_id), {}, wall=WALL, ttl=300)
    for message, expected in (
        (Hello(2, 2, (), (), own.encoded), own),
        (Store("", 1, (b"nonsense", others.encoded, own.encoded)), own),
        (Store("", 1, (others.encoded,)), None),
        (Hello(2, 2, (), (), b"nonsense"), None),
        (Ping(1), None),
    ):
        assert shown(MessageReceived(PEER.node_id, Lane.CONTROL, message, 100)) == expected
    assert shown(Tick()) is None
