"""Both ends of a tunnel, and its deadlines, on virtual time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from macula.providers.quic.tunnel.settings import MAX_DATAGRAM, TunnelSettings
from macula.providers.quic.tunnel.tunnel import State

from .pair import SETTINGS, Pair


def numbered(count: int, size: int = 1200) -> list[bytes]:
    return [number.to_bytes(4, "big") + bytes(size - 4) for number in range(count)]


def test_what_was_sent_while_it_opened_and_after_arrives_in_order_both_ways() -> None:
    pair = Pair()
    early = numbered(3)
    for datagram in early:
        pair.client.send(datagram, pair.now)
    assert pair.client.take(pair.now)[:1] == b"\x16", "a TLS handshake, and nothing before it"
    pair = Pair()
    for datagram in early:
        pair.client.send(datagram, pair.now)
    pair.opened()
    for datagram in numbered(20):
        pair.server.send(datagram, pair.now)
    pair.run()
    assert pair.got == {"client": numbered(20), "server": early}
    assert (pair.client.dropped, pair.server.dropped) == (0, 0)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=MAX_DATAGRAM), max_size=20), st.integers(1, 3000))
def test_datagrams_survive_any_splitting_of_the_stream(datagrams: list[bytes], piece: int) -> None:
    pair = Pair(piece=piece).opened()
    for datagram in datagrams:
        pair.client.send(datagram, pair.now)
        pair.server.send(datagram, pair.now)
    pair.run()
    assert pair.got == {"client": datagrams, "server": datagrams}


@pytest.mark.parametrize("size", [0, MAX_DATAGRAM + 1])
def test_what_is_no_datagram_is_not_sent(size: int) -> None:
    pair = Pair().opened()
    pair.client.send(bytes(size), pair.now)
    pair.run()
    assert pair.client.dropped == 1 and not pair.got["server"]
    assert pair.server.state is State.OPEN


def test_an_idle_tunnel_is_asked_for_a_sign_of_life_and_closed_when_unused_by_who_opened_it() -> None:
    pair = Pair().opened()
    pair.wait(SETTINGS.unused_after - 1)
    assert (pair.client.state, pair.server.state) == (State.OPEN, State.OPEN)
    pair.wait(1.5)
    assert pair.client.reason == "not used" and pair.server.reason == "closed by the other side"


def test_a_tunnel_in_use_stays() -> None:
    pair = Pair().opened()
    for _ in range(20):
        pair.wait(20)
        pair.client.send(b"x", pair.now)
    assert (pair.client.state, pair.server.state) == (State.OPEN, State.OPEN)
    assert len(pair.got["server"]) == 19


def test_the_other_side_closes_what_the_opener_forgot() -> None:
    pair = Pair(settings=replace(SETTINGS, unused_after=60.0)).opened()
    pair.client._settings = replace(SETTINGS, unused_after=1e6)
    pair.wait(119)
    assert pair.server.state is State.OPEN
    pair.wait(2)
    assert pair.server.reason == "not used" and pair.client.reason == "closed by the other side"


def test_a_peer_that_falls_silent_is_dead_after_a_while() -> None:
    pair = Pair().opened()
    pair.stuck = {"client"}  # nothing of the server's reaches it, nor any answer
    pair.wait(SETTINGS.dead_after - 0.5)
    assert not pair.client.over
    pair.wait(1)
    assert pair.client.over and pair.client.reason == "nothing came for 8 s"


def test_one_that_is_doubted_has_to_answer_soon() -> None:
    pair = Pair().opened()
    pair.client.doubt(pair.now)
    pair.wait(5)
    assert pair.client.state is State.OPEN, "it has answered"

    pair.stuck = {"client"}
    pair.wait(1)
    pair.client.doubt(pair.now)
    pair.wait(0.5)
    pair.client.doubt(pair.now)
    pair.wait(SETTINGS.doubt_time - 0.4)
    assert pair.client.over and pair.client.reason == "no sign of life within 1 s"
    pair.client.doubt(pair.now)


def test_a_peer_that_takes_nothing_costs_a_bounded_queue_and_is_given_up() -> None:
    pair = Pair().opened()
    pair.stuck = {"server"}
    sent = numbered(5000)
    pair.client.blocked(pair.now)
    for datagram in sent:
        pair.client.send(datagram, pair.now)
    assert len(pair.client._queue) == SETTINGS.queue
    assert pair.client.dropped == len(sent) - SETTINGS.queue

    pair.server._settings = replace(SETTINGS, dead_after=1e6)
    for _ in range(10):
        assert not pair.client.over
        pair.wait(SETTINGS.stuck_after / 10)
        pair.server.send(b"more, please", pair.now)
    pair.wait(0.1)
    assert pair.client.state is State.CLOSED and "took nothing" in pair.client.reason
    assert pair.client.dropped == len(sent)


def test_what_waited_too_long_is_not_sent_and_makes_room_first() -> None:
    pair = Pair().opened()
    sent = numbered(SETTINGS.queue + 88)
    for datagram in sent[:100]:
        pair.client.send(datagram, pair.now)
    pair.now += SETTINGS.stale_after + 0.1
    for datagram in sent[100:]:
        pair.client.send(datagram, pair.now)
    assert len(pair.client._queue) == SETTINGS.queue - 12
    pair.run()
    assert pair.got["server"] == sent[100:]
    assert pair.client.dropped == 100


def test_of_too_many_the_newest_are_kept() -> None:
    pair = Pair().opened()
    sent = numbered(SETTINGS.queue + 88)
    for datagram in sent:
        pair.client.send(datagram, pair.now)
    pair.run()
    assert pair.got["server"] == sent[88:]
    assert pair.client.dropped == 88


def test_nothing_is_sent_that_became_stale_in_the_queue() -> None:
    pair = Pair().opened()
    for datagram in numbered(10):
        pair.client.send(datagram, pair.now)
    pair.now += SETTINGS.stale_after + 0.1
    pair.run()
    assert not pair.got["server"] and pair.client.dropped == 10


def test_only_what_the_stream_takes_is_encrypted() -> None:
    pair = Pair().opened()
    for datagram in numbered(200):
        pair.client.send(datagram, pair.now)
    assert len(pair.client.take(pair.now)) < 20_000
    assert len(pair.client._queue) > 180


@pytest.mark.parametrize("silent", ["client", "server"])
def test_a_beginning_that_does_not_end_is_given_up(silent: str) -> None:
    pair = Pair()
    pair.client.send(b"early", pair.now)
    pair.stuck = {silent}
    pair.wait(SETTINGS.handshake_timeout + 0.1)
    for tunnel in (pair.client, pair.server):
        assert tunnel.state is State.CLOSED and tunnel.reason == "no tunnel within 5 s" and not tunnel.opened
    assert pair.client.dropped == 1


def test_few_datagrams_wait_for_a_tunnel_to_open() -> None:
    pair = Pair()
    sent = numbered(100)
    for datagram in sent:
        pair.client.send(datagram, pair.now)
    pair.opened()
    assert pair.got["server"] == sent[-SETTINGS.opening_queue :]


def test_goodbye_lets_what_was_sent_before_arrive() -> None:
    pair = Pair().opened()
    pair.client.send(b"last words", pair.now)
    data = pair.client.take(pair.now)
    pair.client.close("the node is stopping", pair.now)
    data += pair.client.take(pair.now)
    assert pair.server.receive(data, pair.now) == [b"last words"]
    assert pair.server.state is State.CLOSING and pair.server.reason == "closed by the other side"
    pair.client.send(b"too late", pair.now)
    assert pair.client.dropped == 1
    pair.wait(SETTINGS.farewell + 0.1)
    assert (pair.client.state, pair.server.state) == (State.CLOSED, State.CLOSED)


def test_a_stream_that_breaks_ends_the_tunnel_at_once() -> None:
    pair = Pair().opened()
    pair.client.ended("connection reset by peer")
    assert pair.client.over and pair.client.reason == "connection reset by peer"
    assert pair.client.deadline() is None
    pair.client.handle_timer(pair.now + 1000)
    pair.client.send(b"x", pair.now)
    assert pair.client.take(pair.now) == b"" and pair.client.receive(b"x", pair.now) == []


def test_the_pings_are_faster_than_the_patience() -> None:
    made = TunnelSettings()
    assert made.ping_interval < made.dead_after < made.stuck_after < made.unused_after
    assert made.farewell < made.handshake_timeout
