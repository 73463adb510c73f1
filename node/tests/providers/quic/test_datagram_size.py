"""Datagrams that grow to what the path carries, over links of any MTU, and whoever tries to lie about it."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from macula.core.address import Address
from macula.core.effects import SetPath
from macula.core.events import PeerSuspect
from macula.core.lanes import Lane
from macula.providers.quic.mtu import BLACK_HOLE_TIME, LADDER, RAISE_TIME, TRIES
from macula.providers.quic.settings import ETHERNET_DATAGRAM, JUMBO_DATAGRAM, SMALLEST_DATAGRAM, QuicSettings

from .network import Host, Network, assert_all_arrived, load, numbered
from .test_path import second_address


class Wire:
    """Watches a network, and limits it to datagrams of `mtu` bytes, to some targets or to all."""

    def __init__(self, net: Network, mtu: int = 1500) -> None:
        self.mtu = mtu
        self.mtu_to: dict[Address, int] = {}
        self.sizes: Counter[tuple[Address, int]] = Counter()
        self.seen: list[tuple[bytes, Address, Address]] = []
        net.tap = self.carries

    def carries(self, data: bytes, source: Address, target: Address) -> bool:
        self.sizes[target, len(data)] += 1
        self.seen.append((data, source, target))
        return len(data) <= self.mtu_to.get(target, self.mtu)

    def large(self, target: Address) -> dict[int, int]:
        """How many datagrams above the smallest size were sent to an address, by size."""
        return {size: n for (to, size), n in self.sizes.items() if to == target and size > SMALLEST_DATAGRAM}


def size(host: Host, peer: Host) -> int | None:
    return host.endpoint.datagram_size(peer.id)


def test_datagrams_start_small_and_grow_on_both_sides_to_what_ethernet_carries() -> None:
    net = Network()
    wire = Wire(net)
    a, b = net.host(1), net.host(2)
    assert size(a, b) is None
    a.dial(b)
    net.run(0.08)
    assert a.connected and size(a, b) == SMALLEST_DATAGRAM and not wire.large(b.address)
    net.run(1.0)
    assert size(a, b) == size(b, a) == ETHERNET_DATAGRAM
    for host in (a, b):
        assert wire.large(host.address) == dict.fromkeys(LADDER[:-1], 1)
    a.send(b, numbered(1, 100_000))
    net.run(1.0)
    assert wire.sizes[b.address, ETHERNET_DATAGRAM] > 60 and b.numbers() == [1]


@pytest.mark.parametrize(
    ("mtu", "found"), [(1200, 1200), (1279, 1200), (1280, 1280), (1400, 1344), (1408, 1408), (8907, 1408), (8908, 8908)]
)
def test_a_link_gets_what_it_carries_and_each_size_that_it_does_not_three_times(mtu: int, found: int) -> None:
    net = Network()
    net.mtu = JUMBO_DATAGRAM
    wire = Wire(net, mtu)
    a, b = net.pair()
    net.run(60.0)
    assert size(a, b) == size(b, a) == found
    too_large = [step for step in LADDER if step > found][:1]
    expected = {step: 1 for step in LADDER if step <= found} | dict.fromkeys(too_large, TRIES)
    assert wire.large(b.address) == wire.large(a.address) == expected
    assert not a.of(PeerSuspect) and not b.of(PeerSuspect)


def test_a_link_that_carries_more_later_is_found_out_after_ten_minutes() -> None:
    net = Network()
    wire = Wire(net, 1300)
    a, b = net.pair()
    net.run(60.0)
    wire.mtu = 1500
    net.run(0.8 * RAISE_TIME)
    assert size(a, b) == 1280
    net.run(0.3 * RAISE_TIME)
    assert size(a, b) == size(b, a) == ETHERNET_DATAGRAM


def test_a_limit_of_the_smallest_size_means_no_probes() -> None:
    net = Network(settings=QuicSettings(max_datagram_size=SMALLEST_DATAGRAM))
    wire = Wire(net)
    a, b = net.pair()
    net.run(2 * RAISE_TIME)
    assert not wire.large(a.address) and not wire.large(b.address) and size(a, b) == SMALLEST_DATAGRAM


@pytest.mark.parametrize("mtu", [1200, 1300, 1500])
def test_growing_under_load_and_loss_loses_nothing_and_never_outgrows_the_link(mtu: int) -> None:
    net = Network(seed=mtu)
    net.link.loss, net.link.jitter, net.link.duplicate = 0.05, 0.01, 0.02
    Wire(net, mtu)
    a, b = net.pair()
    send = load(net, a, b, 400)

    def step() -> bool:
        assert (size(a, b) or 0) <= mtu and (size(b, a) or 0) <= mtu
        return send()

    net.run(120.0, step)
    assert_all_arrived(400, a, b)


def test_lost_probes_are_no_sign_of_congestion() -> None:
    net = Network()
    Wire(net, 1250)
    a, _ = net.pair()
    (connection,) = a.endpoint._connections
    before = connection._quic.congestion_window
    net.run(30.0)
    assert connection._quic.congestion_window >= before
    assert connection._quic.congestion.bytes_in_flight == 0


@pytest.mark.parametrize("mtu", [1200, 1300])
def test_a_switch_to_a_smaller_path_under_load_loses_nothing(mtu: int) -> None:
    net = Network()
    wire = Wire(net)
    a, b = net.pair()
    other = second_address(net, b)
    wire.mtu_to[other] = mtu
    send = load(net, a, b, 600)
    net.run(0.3, send)
    assert size(a, b) == ETHERNET_DATAGRAM
    a.do(SetPath(b.id, other))
    assert size(a, b) == SMALLEST_DATAGRAM
    net.run(60.0, send)
    assert_all_arrived(600, a, b)
    assert size(a, b) == max(step for step in (1200, 1280) if step <= mtu)
    assert sum(n for step, n in wire.large(other).items() if step > mtu) == TRIES
    assert not a.of(PeerSuspect)


def test_a_switch_back_finds_the_larger_size_again() -> None:
    net = Network()
    wire = Wire(net)
    a, b = net.pair()
    other = second_address(net, b)
    wire.mtu_to[other] = 1200
    for address, found in ((other, 1200), (b.address, ETHERNET_DATAGRAM)):
        a.do(SetPath(b.id, address))
        net.run(5.0)
        assert size(a, b) == found


def test_a_path_that_shrinks_under_load_loses_nothing_and_is_measured_again_after_a_minute() -> None:
    net = Network()
    wire = Wire(net)
    a, b = net.pair()
    send = load(net, a, b, 600)
    net.run(0.3, send)
    wire.mtu = 1300
    net.run(1.0, lambda: send() or (size(a, b) == size(b, a) == SMALLEST_DATAGRAM))
    assert size(a, b) == size(b, a) == SMALLEST_DATAGRAM
    net.run(30.0, send)
    assert_all_arrived(600, a, b)
    net.run(1.2 * BLACK_HOLE_TIME)
    assert size(a, b) == size(b, a) == 1280


def test_a_black_hole_is_found_although_small_packets_pass_and_are_acknowledged() -> None:
    net = Network()
    wire = Wire(net)
    a, b = net.pair()
    wire.mtu = 1250
    for number in range(1, 200):
        if number % 20 == 1:
            a.send(b, numbered(number, 5000), Lane.PUBSUB)
        a.send(b, numbered(number), Lane.RPC)
        net.run(0.02)
    assert size(a, b) == SMALLEST_DATAGRAM
    net.run(5.0)
    assert b.numbers(Lane.RPC) == list(range(1, 200))
    assert b.numbers(Lane.PUBSUB) == list(range(1, 200, 20))


def test_random_loss_is_not_taken_for_a_black_hole() -> None:
    net = Network(seed=3)
    wire = Wire(net)
    a, b = net.pair()
    net.link.loss = 0.05
    send = load(net, a, b, 600)

    def step() -> bool:
        assert size(a, b) == ETHERNET_DATAGRAM
        return send()

    net.run(3.0, step)
    assert wire.sizes[b.address, ETHERNET_DATAGRAM] > 300


def test_what_the_system_refuses_is_not_sent_again() -> None:
    net = Network()
    a, b = net.pair()
    other = net.host(3)
    a.dial(other)
    net.run(2.0)
    a.endpoint.refused(ETHERNET_DATAGRAM, b.address, net.now)
    a.endpoint.refused(ETHERNET_DATAGRAM, Address("192.0.2.9", 1), net.now)
    wire = Wire(net)
    a.send(b, numbered(1, 50_000))
    net.run(30.0)
    assert size(a, b) == SMALLEST_DATAGRAM and not wire.large(b.address) and b.numbers() == [1]
    assert size(a, other) == ETHERNET_DATAGRAM


def test_an_answer_that_comes_after_the_path_has_changed_says_nothing() -> None:
    net = Network()
    a, b = net.host(1), net.host(2)
    other = second_address(net, b)
    net.link.delay = 0.5
    wire = Wire(net)
    wire.mtu_to[other] = 1200
    a.dial(b)
    net.run(20.0, lambda: bool(wire.large(b.address)))
    assert wire.large(b.address)
    a.do(SetPath(b.id, other))
    net.run(30.0)
    assert size(a, b) == SMALLEST_DATAGRAM
    assert wire.large(other) == {LADDER[0]: TRIES}


def test_nobody_but_the_peer_can_answer_a_probe() -> None:
    net = Network()
    wire = Wire(net)
    wire.mtu_to[Address("10.0.2.1", 9443)] = 1250
    a, b = net.pair()
    net.run(30.0)
    assert size(a, b) == SMALLEST_DATAGRAM and size(b, a) == ETHERNET_DATAGRAM
    rng = random.Random(1)
    answers = [data for data, source, _ in wire.seen if source == b.address and len(data) < 200]
    probes = [data for data, _, target in wire.seen if target == b.address and len(data) > SMALLEST_DATAGRAM]
    sources = (b.address, Address("10.66.6.6", 666))
    a.do(SetPath(b.id, b.address))
    for _ in range(400):
        data = bytearray(rng.choice(answers + probes))
        if rng.random() < 0.7:
            data[rng.randrange(1, len(data))] ^= 1 << rng.randrange(8)
        for source in sources:
            net.inject(bytes(data), source, a.address)
        net.run(0.01)
        assert size(a, b) == SMALLEST_DATAGRAM
    a.send(b, numbered(1))
    net.run(1.0)
    assert b.numbers() == [1] and not a.lost


def test_a_stranger_gets_no_answer_whatever_it_repeats() -> None:
    net = Network()
    wire = Wire(net)
    a, b = net.pair()
    net.run(1.0)
    stranger = Address("10.66.6.6", 666)
    padded = [bytes([first]) + bytes(1407) for first in range(0x20, 0x30)]
    for data in padded + [data for data, _, target in wire.seen if target == b.address and not data[0] & 0x80]:
        net.inject(data, stranger, b.address)
    net.run(5.0)
    assert not any(target == stranger for _, target in net.sent)
    assert size(b, a) == ETHERNET_DATAGRAM


def test_same_seed_same_probes() -> None:
    def run() -> list[tuple[int, float]]:
        net = Network(seed=7)
        net.link.loss = 0.1
        times: list[tuple[int, float]] = []

        def tap(data: bytes, source: Address, target: Address) -> bool:
            if len(data) > SMALLEST_DATAGRAM:
                times.append((len(data), net.now))
            return len(data) <= 1300

        net.tap = tap
        net.pair()
        net.run(3 * RAISE_TIME)
        return times

    first = run()
    assert len(first) > 10 and first == run()
