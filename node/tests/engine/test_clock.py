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
    clock = WallClock()
    clock.agree()
    return clock


@pytest.mark.parametrize("seconds", [HOUR, -HOUR])
def test_a_jump_that_nobody_confirms_is_not_followed_and_its_end_is(seconds: float) -> None:
    clock = agreeing()
    assert clock.read(WALL, WALL + seconds) == WALL, "time goes on as it did"
    assert (clock.is_held, clock.held) == (True, seconds)
    assert clock.read(WALL, WALL + seconds, shown_at(WALL)) == WALL
    assert clock.read(WALL + 20, WALL + 21) == WALL + 21
    assert (clock.is_held, clock.held) == (False, 0.0)


@pytest.mark.parametrize("seconds", [HOUR, 200.0])
def test_a_host_that_was_suspended_is_followed_as_soon_as_a_peer_says_so(seconds: float) -> None:
    clock = agreeing()
    assert clock.read(WALL, WALL + seconds) == WALL
    assert clock.read(WALL, WALL + seconds, shown_at(WALL + seconds - 1)) == WALL + seconds
    assert not clock.is_held


def test_after_a_jump_was_followed_the_next_one_is_too_until_somebody_agrees() -> None:
    clock = agreeing()
    clock.read(WALL, WALL + HOUR, shown_at(WALL + HOUR))
    assert clock.read(WALL + HOUR, WALL) == WALL, "a peer whose clock is wrong, too, was believed"
    clock.agree()
    assert clock.read(WALL, WALL + HOUR) == WALL


def test_a_record_that_fits_both_times_or_none_decides_nothing() -> None:
    clock = agreeing()
    for at in (WALL, WALL - 60):
        assert clock.read(WALL, WALL + 60, shown_at(at)) == WALL


def test_who_has_agreed_with_nobody_follows_its_host() -> None:
    assert WallClock().read(WALL, WALL - HOUR) == WALL - HOUR


def test_what_clocks_may_differ_by_is_followed_at_once() -> None:
    clock = agreeing()
    assert clock.read(WALL, WALL + FOLLOWED) == WALL + FOLLOWED
    assert clock.read(WALL, WALL - FOLLOWED) == WALL - FOLLOWED


def test_a_jump_and_its_end_are_told_with_a_limit_each() -> None:
    told, ended = jump(HOUR, False), jump(0.0, True)
    assert (told.fields, ended.fields) == ({"seconds": HOUR, "followed": False}, {"seconds": 0.0, "followed": True})
    assert told.limit != ended.limit


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
