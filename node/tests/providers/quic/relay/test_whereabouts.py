"""Clients that are elsewhere, or say so: a relay floods nobody, and finds one behind a new port in a round trip."""

from __future__ import annotations

import random

import pytest

from macula.core.address import Address
from macula.providers.quic.relay.whereabouts import AMPLIFICATION, CHALLENGE_INTERVAL, Whereabouts
from providers.quic.network import numbered
from providers.quic.relay.parties import Parties

HOME, AWAY, FAR = Address("192.0.2.1", 1), Address("203.0.113.5", 5), Address("198.51.100.7", 7)
FRAME = 200


def place() -> Whereabouts:
    return Whereabouts(HOME, random.Random(1))


def test_an_address_that_has_not_answered_gets_three_times_what_came_from_there() -> None:
    client = place()
    assert client.take(10**9), "its connection has proven the first"
    asked = client.seen(AWAY, FRAME, 0.0)
    assert asked is not None and client.address == AWAY
    got = sum(client.take(10) for _ in range(1000)) * 10
    assert 0 < got < AMPLIFICATION * FRAME
    client.seen(AWAY, FRAME, 0.1)
    assert client.take(AMPLIFICATION * FRAME - 10) and not client.take(FRAME)


def test_who_sends_back_what_the_address_was_asked_is_there() -> None:
    client = place()
    asked = client.seen(AWAY, FRAME, 0.0)
    assert asked is not None
    for source, answer in ((FAR, asked), (HOME, asked), (AWAY, bytes(8)), (AWAY, b"")):
        client.answered(source, answer)
        assert not client.take(10**6)
    client.answered(AWAY, asked)
    assert client.take(10**6)
    assert client.seen(AWAY, FRAME, 1.0) is None, "it is known now"


def test_an_answer_counts_for_the_address_that_was_asked_last() -> None:
    client = place()
    asked = client.seen(AWAY, FRAME, 0.0)
    assert asked is not None
    assert client.seen(FAR, FRAME, 0.0) not in (None, asked)
    client.answered(FAR, asked)
    client.answered(AWAY, asked)
    assert client.address == FAR and not client.take(10**6)


def test_it_is_asked_again_now_and_then() -> None:
    client = place()
    times = [number * CHALLENGE_INTERVAL / 10 for number in range(21)]
    asked = [at for at in times if client.seen(AWAY, FRAME, at) is not None]
    assert asked == pytest.approx([0.0, CHALLENGE_INTERVAL, 2 * CHALLENGE_INTERVAL])


def test_a_known_address_and_a_tunnel_need_not_answer() -> None:
    client = place()
    client.seen(AWAY, FRAME, 0.0)
    assert client.seen(HOME, FRAME, 0.1) is None and client.take(10**6)
    tunnel = AWAY.tunnel(443)
    assert client.seen(tunnel, FRAME, 0.2) is None and client.take(10**6), "TCP has proven it"
    client.prove(FAR)
    assert client.address == FAR and client.take(10**6)


def test_a_relay_cannot_be_aimed_at_a_stranger_by_frames_in_its_name() -> None:
    parties = Parties()
    parties.connect()
    (relay,), net = parties.relays, parties.net
    net.translate[parties.a.address, relay.address] = AWAY
    parties.a.send(parties.b, numbered(1))
    for number in range(200):
        parties.b.send(parties.a, numbered(number, 10_000))
    net.run(5.0)
    said, got = net.sent[AWAY, relay.address], net.sent[relay.address, AWAY]
    print(f"{said} bytes in a stranger's name brought it {got}")
    assert parties.b.numbers() == [1], "the relay took the frame"
    assert got <= AMPLIFICATION * said


def test_a_client_behind_a_new_port_gets_all_that_is_for_it() -> None:
    parties = Parties()
    parties.connect()
    (relay,), net, a = parties.relays, parties.net, parties.a
    net.translate[a.address, relay.address] = AWAY
    net.hosts[AWAY] = net.hosts.pop(a.address)
    a.send(parties.b, numbered(1))
    for number in range(200):
        parties.b.send(a, numbered(number, 10_000))
    net.run(5.0)
    assert a.numbers() == list(range(200))
    assert net.sent[relay.address, AWAY] > 2_000_000
