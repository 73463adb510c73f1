"""Connections through relays: real handshakes, on virtual time."""

from __future__ import annotations

import pytest

from macula.core.address import Address
from macula.core.effects import Dial, EndClient, LeaveRelay, SetPath
from macula.core.events import DialFailed, PathMoved, PeerSuspect
from macula.core.lanes import Lane
from providers.quic.network import Link, assert_all_arrived, load, numbered
from providers.quic.relay.parties import Parties


def test_two_hosts_that_cannot_reach_each_other_meet_through_a_relay() -> None:
    parties = Parties()
    a, b, (relay,) = parties.a, parties.b, parties.relays
    before = parties.net.now
    parties.dial()
    parties.net.run(2.0, until=lambda: bool(b.connected and a.connected))
    # One round trip of the handshake and one way more, each through the relay.
    assert parties.net.now - before < 0.1
    assert [(event.peer, event.route) for event in a.connected] == [(b.id, parties.via(relay, b))]
    assert [(event.peer, event.route) for event in b.connected] == [(a.id, parties.via(relay, a))]
    send = load(parties.net, a, b, 60)
    parties.net.run(3.0, until=send)
    assert_all_arrived(60, a, b)
    counts = relay.endpoint.relayed
    assert counts.sessions == 2 and counts.bytes > 60 * 3000 and not counts.dropped


def test_the_relay_sees_no_contents_and_has_no_connection_of_theirs() -> None:
    parties = Parties()
    (relay,) = parties.relays
    seen: list[bytes] = []

    def tap(data: bytes, source: Address, target: Address) -> bool:
        if target == relay.address:
            seen.append(data)
        return parties.passes(source, target)

    parties.net.tap = tap
    parties.connect()
    secret = b"a secret that is long enough"
    message = numbered(1)
    message = type(message)(message.realm, message.topic, secret, 0, 1, 1, 0)
    parties.a.send(parties.b, message)
    parties.net.run(1.0)
    assert parties.b.received() == [message]
    assert seen and not any(secret in data for data in seen)
    assert set(relay.endpoint.peers) == {parties.a.id, parties.b.id} and relay.endpoint.connections == 2


def test_a_relayed_path_is_probed_for_larger_datagrams() -> None:
    parties = Parties()
    parties.connect()
    parties.net.run(5.0)
    assert parties.a.endpoint.datagram_size(parties.b.id) == 1408


def test_a_dial_uses_what_answers_first_a_relay_or_an_address() -> None:
    parties = Parties()
    a, b, (relay,) = parties.a, parties.b, parties.relays
    parties.net.tap = lambda data, source, target: True
    a.do(Dial(99, (b.address,), b.id, 5.0, (relay.id,)))
    parties.net.run(1.0)
    assert [event.route for event in a.connected] == [b.address]
    assert len(b.connected) == 1 and b.endpoint.connections == 2


@pytest.mark.parametrize("what", ["no session here", "no session there", "relay dead"])
def test_a_dial_through_a_relay_that_cannot_be_used_fails_in_time(what: str) -> None:
    parties = Parties()
    (relay,) = parties.relays
    if what == "no session here":
        parties.a.do(LeaveRelay(relay.id))
    elif what == "no session there":
        relay.do(EndClient(parties.b.id))
    else:
        parties.dead.add(relay)
    parties.dial(timeout=2.0)
    parties.net.run(3.0)
    assert [type(event) for event in parties.a.events if isinstance(event, DialFailed)] == [DialFailed]
    assert not parties.a.connected and not parties.b.connected
    if what == "no session there":
        assert relay.endpoint.relayed.dropped.keys() == {"no session to go to"}


@pytest.mark.parametrize("seed", range(3))
def test_a_relay_that_drops_delays_repeats_and_reorders_costs_no_message(seed: int) -> None:
    parties = Parties(seed=seed)
    parties.net.link = Link(delay=0.02, jitter=0.03, loss=0.05, duplicate=0.1)
    parties.dial()
    parties.net.run(5.0)
    send = load(parties.net, parties.a, parties.b, 60)
    parties.net.run(20.0, until=send)
    assert_all_arrived(60, parties.a, parties.b)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("sender", ["a", "b", "both"])
def test_when_a_relay_dies_both_ends_move_to_the_other_one(seed: int, sender: str) -> None:
    """The engine's part, to answer PeerSuspect by the next relay, is done here by hand."""
    parties = Parties(relays=2, seed=seed)
    parties.connect()
    a, b, net = parties.a, parties.b, parties.net
    first = parties.relay_of(a, b)
    assert first is not None and parties.relay_of(b, a) is first
    other = next(relay for relay in parties.relays if relay is not first)
    number, moved = 0, {a: False, b: False}

    def talk() -> bool:
        nonlocal number
        if net.now >= begin + number * 0.02 and number < 150:
            number += 1
            for host, peer in ((a, b), (b, a)):
                if sender in ("both", "a" if host is a else "b"):
                    host.send(peer, numbered(number), Lane.RPC)
        for host, peer in ((a, b), (b, a)):
            if not moved[host] and PeerSuspect(peer.id, True) in host.events:
                moved[host] = True
                host.do(SetPath(peer.id, parties.via(other, peer)))
        return False

    begin = net.now
    net.run(1.0, until=talk)
    parties.dead.add(first)
    died = net.now
    net.run(2.0, until=talk)
    arrived = [host.numbers() for host in (a, b)]
    assert parties.relay_of(a, b) is parties.relay_of(b, a) is other
    for host, peer in ((a, b), (b, a)):
        assert PathMoved(peer.id, parties.via(other, peer)) in host.events
    net.run(3.0, until=talk)
    for host, peer, before in ((a, b, arrived[0]), (b, a, arrived[1])):
        assert not host.lost
        if sender in ("both", "a" if peer is a else "b"):
            assert host.numbers() == list(range(1, 151))
            # Two seconds after the relay's death what was said a second ago is there.
            assert before[-1] >= 100, (died, before[-1])


def test_a_path_follows_only_from_relay_to_relay() -> None:
    parties = Parties(relays=2)
    parties.connect()
    a, b = parties.a, parties.b
    parties.net.tap = lambda data, source, target: True
    a.do(SetPath(b.id, b.address))
    a.send(b, numbered(1))
    parties.net.run(1.0)
    assert parties.relay_of(a, b) is None
    assert parties.relay_of(b, a) is not None, "an address has to prove itself by a probe first"
    assert b.numbers() == [1]


def test_many_handshakes_through_one_relay_leave_room_for_those_through_another() -> None:
    parties = Parties(relays=2)
    b, (evil, good) = parties.b, parties.relays
    net = parties.net
    # A relay may make up as many peers as it likes.
    for number in range(80):
        liar = net.host(100 + number)
        liar.dial(evil)
        net.run(0.05)
        parties.grant(evil, liar)
        liar.do(Dial(50, (), b.id, 0.5, (evil.id,)))
        net.tap = lambda data, source, target, liar=liar: parties.passes(source, target) and target != liar.address  # type: ignore[misc]
        net.run(0.01)
        del net.hosts[liar.address]
    assert b.endpoint._connections.half_open_of(evil.id) == net.settings.retry_threshold
    net.tap = lambda data, source, target: parties.passes(source, target)
    parties.a.do(Dial(51, (), b.id, 2.0, (good.id,)))
    net.run(2.0)
    assert parties.a.connected


def test_a_peer_stays_suspect_on_its_next_path_until_it_is_heard_there() -> None:
    parties = Parties(relays=2)
    parties.connect()
    a, b, net = parties.a, parties.b, parties.net
    first = parties.relay_of(a, b)
    other = next(relay for relay in parties.relays if relay is not first)
    parties.dead.update(parties.relays)
    a.send(b, numbered(1))
    net.run(5.0, until=lambda: bool(a.of(PeerSuspect)))
    a.do(SetPath(b.id, parties.via(other, b)))
    net.run(5.0, until=lambda: len(a.of(PeerSuspect)) == 2)
    assert a.of(PeerSuspect) == [PeerSuspect(b.id, True)] * 2, "the next path fails it, too"
    parties.dead.clear()
    net.run(5.0)
    assert a.of(PeerSuspect)[2:] == [PeerSuspect(b.id, False)]
    assert b.numbers() == [1]
