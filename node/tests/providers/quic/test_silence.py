"""When a peer is suspect. Literal times; the probe time-out is 0.1 s, so that three in a row take 0.7 s."""

from __future__ import annotations

import pytest

from macula.providers.quic.silence import LEAST, Silence

PTO = 0.1


def told(silence: Silence, now: float, *, acknowledged: int = 0, waits: bool = True) -> bool | None:
    return silence.judge(acknowledged, waits, PTO, now)


def test_steady_sending_does_not_hide_that_nothing_is_acknowledged() -> None:
    silence = Silence(3)
    assert [told(silence, 10.0 + tick / 100) for tick in range(80)].index(True) in (70, 71)
    assert silence.suspect


def test_a_short_round_trip_is_no_reason_to_be_hasty() -> None:
    silence = Silence(3)
    silence.judge(0, True, 0.03, 10.0)
    assert silence.at == pytest.approx(10.0 + LEAST)
    assert silence.judge(0, True, 0.03, 10.3) is None
    assert silence.judge(0, True, 0.03, 10.0 + LEAST) is True


def test_who_acknowledges_or_is_not_asked_is_not_silent() -> None:
    silence = Silence(3)
    assert {told(silence, 10.0 + tick, acknowledged=tick) for tick in range(50)} == {None}
    assert {told(silence, 60.0 + tick, acknowledged=49, waits=False) for tick in range(50)} == {None}
    assert told(silence, 200.0, acknowledged=49) is None, "what is asked now was not asked before"
    assert silence.at == pytest.approx(200.7)


def test_it_is_told_once_and_ends_with_the_next_acknowledgement() -> None:
    silence = Silence(3)
    told(silence, 10.0)
    assert told(silence, 10.8) is True
    assert told(silence, 10.9) is None
    assert silence.at is None
    assert told(silence, 11.0, acknowledged=1) is False
    assert not silence.suspect


def test_on_another_path_a_peer_stays_suspect_until_it_is_heard_and_is_told_again() -> None:
    silence = Silence(3)
    told(silence, 10.0)
    assert told(silence, 10.8) is True
    silence.moved()
    assert told(silence, 11.0) is None and silence.suspect
    assert silence.at == pytest.approx(11.7)
    assert told(silence, 11.8) is True
    silence.moved()
    silence.heard()
    assert told(silence, 12.0, acknowledged=1) is False
