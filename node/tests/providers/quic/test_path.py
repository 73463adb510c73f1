"""The real path below a connection: chosen, switched and never abused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from macula.core.address import Address
from macula.core.effects import SetPath
from macula.core.events import PeerSuspect
from macula.core.lanes import Lane
from macula.providers.quic.path import AMPLIFICATION, Path

from .network import Host, Network, assert_all_arrived, load, numbered

HERE = Address("192.0.2.1", 1)
THERE = Address("192.0.2.2", 2)


def second_address(net: Network, host: Host, port: int = 9555) -> Address:
    """Another address at which the host is reached."""
    address = Address(host.address.host, port)
    net.hosts[address] = host
    return address


@given(st.lists(st.tuples(st.sampled_from("rs"), st.sampled_from([HERE, THERE]), st.integers(1, 1500))))
def test_an_unproven_address_gets_three_times_what_it_sent(steps: list[tuple[str, Address, int]]) -> None:
    path = Path([HERE], proven=False, now=0.0)
    received = sent = 0
    for kind, source, size in steps:
        if kind == "r":
            path.received(source, size, None)
            received += size if source == HERE else 0
        else:
            sent += sum(len(data) for data, _ in path.send(bytes(size)))
        assert sent <= AMPLIFICATION * received


def test_a_proof_from_elsewhere_neither_moves_nor_proves_the_path() -> None:
    path = Path([HERE], proven=False, now=0.0)
    path.answered(THERE)
    assert path.route == HERE and not path.proven
    path.answered(HERE)
    assert path.proven


def test_hops_are_guessed_from_the_usual_first_values() -> None:
    path = Path([HERE], proven=True, now=0.0)
    for ttl, hops in ((64, 0), (62, 2), (120, 8), (250, 5)):
        path.received(HERE, 1, ttl)
        assert path.hops == hops


def test_the_first_flight_goes_to_every_address_in_turn_until_one_answers() -> None:
    net = Network()
    a, b = net.host(1), net.host(2)
    dead = [Address("10.9.9.1", 1), Address("10.9.9.2", 1)]
    started: dict[Address, float] = {}
    net.tap = lambda data, source, target: started.setdefault(target, net.now) is not None
    begin = net.now
    dial = a.dial(*dead, b.address, expected=b.id)
    net.run(2.0)
    assert [round(started[target] - begin, 3) for target in (*dead, b.address)] == [0.0, 0.05, 0.1]
    assert [(event.dial, event.route) for event in a.connected] == [(dial, b.address)]
    assert len(b.connected) == 1 and b.endpoint.connections == 1
    before = {target: net.sent[a.address, target] for target in dead}
    a.send(b, numbered(1, 100_000))
    net.run(2.0)
    assert {target: net.sent[a.address, target] for target in dead} == before


def test_two_addresses_of_one_peer_make_one_connection() -> None:
    net = Network()
    a, b = net.host(1), net.host(2)
    a.dial(b.address, second_address(net, b), expected=b.id)
    net.run(2.0)
    assert len(a.connected) == len(b.connected) == 1
    assert a.endpoint.connections == b.endpoint.connections == 1


def test_a_live_switch_under_load_loses_and_reorders_nothing() -> None:
    net = Network()
    a, b = net.pair()
    other = second_address(net, b)
    send = load(net, a, b, 600)
    net.run(0.2, send)
    assert b.numbers()
    a.do(SetPath(b.id, other))
    switched = net.sent[a.address, b.address]
    # The old path is dead from now on, with packets in flight on it.
    net.tap = lambda data, source, target: target != b.address
    net.run(60.0, send)
    assert net.sent[a.address, b.address] == switched
    assert_all_arrived(600, a, b)
    status = a.endpoint.path(b.id)
    assert status is not None and status.address == other


def test_a_switch_recovers_within_a_second_although_the_window_was_full() -> None:
    net = Network()
    a, b = net.pair()
    other = second_address(net, b)
    for number in range(100):
        a.send(b, numbered(number, 10_000), Lane.RPC)
    net.run(0.1)
    net.tap = lambda data, source, target: target != b.address
    net.run(0.05)
    a.do(SetPath(b.id, other))
    begin, had = net.now, len(b.numbers())
    net.run(5.0, lambda: len(b.numbers()) > had)
    assert net.now - begin < 1.0


def test_packets_from_an_unknown_source_are_accepted_but_do_not_move_the_path() -> None:
    net = Network()
    a, b = net.pair()
    moved = Address("10.0.1.1", 4444)
    net.translate[a.address, b.address] = moved
    net.sent.clear()
    a.send(b, numbered(1))
    net.run(1.0)
    assert b.numbers() == [1]
    assert net.sent[b.address, moved] == 0
    status = b.endpoint.path(a.id)
    assert status is not None and status.address == a.address


def test_a_peer_is_suspect_after_three_probe_timeouts_and_trusted_again_with_the_next_acknowledgement() -> None:
    net = Network()
    a, b = net.pair()
    net.tap = lambda data, source, target: False
    a.send(b, numbered(1))
    begin = net.now
    net.run(5.0, lambda: bool(a.of(PeerSuspect)))
    assert a.of(PeerSuspect) == [PeerSuspect(b.id, True)]
    assert 0.1 < net.now - begin < 2.0
    net.tap = lambda data, source, target: True
    net.run(10.0)
    assert a.of(PeerSuspect) == [PeerSuspect(b.id, True), PeerSuspect(b.id, False)]
    assert b.numbers() == [1] and not a.lost


def test_a_suspect_peer_can_be_dialed_anew_and_the_new_connection_replaces_the_old() -> None:
    net = Network()
    a, b = net.pair()
    other = second_address(net, b)
    net.tap = lambda data, source, target: b.address not in (source, target) or target == a.address
    a.send(b, numbered(1))
    net.run(5.0, lambda: bool(a.of(PeerSuspect)))
    dial = a.dial(other, expected=b.id)
    net.run(2.0)
    assert [(event.dial, event.fresh) for event in a.connected] == [(dial, True)]
    assert [event.fresh for event in b.connected] == [True] and not a.lost and not b.lost


def test_an_idle_connection_is_kept_alive_and_a_dead_one_is_lost_after_the_idle_timeout() -> None:
    net = Network()
    a, b = net.pair()
    net.run(300.0)
    assert not a.events and not b.events
    net.tap = lambda data, source, target: False
    begin = net.now
    net.run(100.0, lambda: bool(a.lost and b.lost))
    assert a.lost[0].code == b.lost[0].code == "lost"
    assert 40.0 <= net.now - begin <= 61.0


PLACE = Address("10.0.0.1", 9443)
WAYS = (PLACE.tunnel(443), PLACE.tunnel(9443), PLACE, Address("10.0.0.2", 9443))


def test_tunnels_get_their_first_flight_after_everything_else_has_had_a_chance() -> None:
    path = Path(WAYS, proven=True, now=10.0, stagger=0.05, tunnel_stagger=0.3)
    seen = [(10.0, route) for _, route in path.send(b"hello")]
    while (at := path.next_start) is not None:
        seen += [(at, route) for _, route in path.start_next(at)]
    assert [(round(at, 6), route) for at, route in seen] == [
        (10.0, PLACE),
        (10.05, Address("10.0.0.2", 9443)),
        (10.3, PLACE.tunnel(443)),
        (10.6, PLACE.tunnel(9443)),
    ]


def test_an_answer_by_udp_leaves_the_tunnels_alone() -> None:
    path = Path(WAYS, proven=True, now=10.0, stagger=0.05, tunnel_stagger=0.3)
    path.send(b"hello")
    path.answered(PLACE)
    assert path.next_start is None and path.start_next(11.0) == []
    assert path.send(b"more") == [(b"more", PLACE)]


def test_where_only_tunnels_are_known_the_first_one_is_tried_at_once() -> None:
    path = Path(WAYS[:2], proven=True, now=10.0, stagger=0.05, tunnel_stagger=0.3)
    assert path.tried == WAYS[:1] and path.next_start == pytest.approx(10.3)


@pytest.mark.parametrize(
    ("source", "follows"), [(PLACE.tunnel(5000), True), (PLACE.tunnel(4000), False), (Address("10.0.0.1", 5000), False)]
)
def test_from_a_tunnel_only_another_tunnel_is_followed(source: Address, follows: bool) -> None:
    path = Path([PLACE.tunnel(4000)], proven=True, now=10.0)
    assert path.leads_elsewhere(source) is follows
    assert not Path([PLACE], proven=True, now=10.0).leads_elsewhere(source)
