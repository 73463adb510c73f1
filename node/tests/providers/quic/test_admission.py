"""Strangers: floods, forged sources, garbage. What they send must stay cheap, and what they get back small."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest
from aioquic.quic.packet import QuicHeader, QuicPacketType
from aioquic.tls import Epoch
from hypothesis import given
from hypothesis import strategies as st

from macula.core.address import Address
from macula.core.events import DatagramReceived
from macula.core.network_limiter import PrefixLimiter
from macula.core.networks import network_of
from macula.core.route import Relayed
from macula.providers.quic.admission import Accept, Admission, Reply
from macula.providers.quic.demux import parse_header
from macula.providers.quic.settings import QuicSettings
from macula.providers.quic.tuned import MAX_TLS_MESSAGE
from macula.wire.messages import Publish

from .network import MTU, Host, Link, Network, numbered


def first_flight(net: Network, seed: int = 99) -> bytes:
    """The Initial datagram of a client that is not on the network."""
    client = Host(net, seed, Address(f"10.0.{seed}.1", 1), net.settings, 1)
    client.dial(Address("203.0.113.1", 1))
    ((data, _),) = client.endpoint.datagrams_to_send(net.now)
    return data


def strangers(count: int) -> list[Address]:
    """Addresses in as many networks."""
    return [Address(f"10.{100 + number // 250}.{number % 250}.7", 777) for number in range(count)]


def back(net: Network, source: Address) -> int:
    """Bytes sent to an address."""
    return sum(size for (_, target), size in net.sent.items() if target == source)


def test_prefixes() -> None:
    assert network_of("192.0.2.1") == network_of("192.0.2.254") != network_of("192.0.3.1")
    assert network_of("2001:db8:0:100::1") == network_of("2001:db8:0:1ff::9") != network_of("2001:db8:0:200::1")


def test_a_network_gets_its_burst_then_its_rate_and_completed_handshakes_are_free() -> None:
    limiter = PrefixLimiter(rate=10.0, burst=5)
    assert [limiter.take("192.0.2.1", 0.0) for _ in range(6)] == [True] * 5 + [False]
    assert limiter.take("192.0.3.1", 0.0)
    assert [limiter.take("192.0.2.2", 0.1) for _ in range(2)] == [True, False]
    limiter.give_back("192.0.2.9")
    assert limiter.take("192.0.2.1", 0.1)


def header(**changes: object) -> QuicHeader:
    fields: dict[str, Any] = {
        "version": 1,
        "packet_type": QuicPacketType.INITIAL,
        "packet_length": 1200,
        "destination_cid": bytes(8),
        "source_cid": bytes(8),
        "token": b"",
        "integrity_tag": b"",
        "supported_versions": [],
    }
    return QuicHeader(**(fields | changes))


@pytest.mark.parametrize(
    ("changes", "size", "half_open", "kind"),
    [
        ({}, 1200, 0, Accept),
        ({}, 1199, 0, type(None)),
        ({"destination_cid": bytes(7)}, 1200, 0, type(None)),
        ({"packet_type": QuicPacketType.HANDSHAKE}, 1200, 0, type(None)),
        ({"version": 0}, 1200, 0, type(None)),
        ({"version": 0xABAD1DEA}, 1200, 0, Reply),
        ({}, 1200, 64, Reply),
        ({"token": b"forged"}, 1200, 64, Reply),
        ({"token": b"forged"}, 1200, 0, Accept),
        ({}, 1200, 512, type(None)),
    ],
)
def test_what_a_first_datagram_gets(changes: dict[str, Any], size: int, half_open: int, kind: type) -> None:
    admission = Admission(QuicSettings(), random.Random(1))
    verdict = admission.judge(header(**changes), size, Address("192.0.2.1", 9), half_open, 0.0)
    assert isinstance(verdict, kind)
    assert not isinstance(verdict, Reply) or len(verdict.data) < size


def test_what_is_not_let_begin_is_counted_by_its_reason() -> None:
    admission = Admission(QuicSettings(initial_burst=2), random.Random(1))
    for half_open in (0, 64, 64, 512):
        admission.judge(header(), 1200, Address("192.0.2.1", 9), half_open, 0.0)
    net = Network()
    admission.judge(header(), 1200, Relayed(net.host(1).id, net.host(2).id), 64, 0.0)
    assert admission.refused == {"retry": 1, "rate": 1, "full": 2}


def test_a_retry_token_is_good_for_its_address_and_time_only() -> None:
    admission = Admission(QuicSettings(), random.Random(1))
    here, there = Address("192.0.2.1", 9), Address("192.0.2.1", 10)
    reply = admission.judge(header(), 1200, here, 64, 0.0)
    assert isinstance(reply, Reply)
    retry = parse_header(reply.data)
    assert retry is not None
    second = header(destination_cid=retry.source_cid, token=retry.token)
    assert admission.judge(second, 1200, here, 64, 1.0) == Accept(bytes(8), retry.source_cid, proven=True)
    assert isinstance(admission.judge(second, 1200, there, 64, 1.0), Reply)
    assert isinstance(admission.judge(second, 1200, here, 64, 31.0), Reply)


def test_a_client_in_a_tunnel_has_proven_its_address_and_is_bounded_all_the_same() -> None:
    admission = Admission(QuicSettings(initial_burst=3), random.Random(1))
    here = Address("192.0.2.1", 9).tunnel(50_000)
    busy = QuicSettings().retry_threshold
    assert [admission.judge(header(), 1200, here, busy, 0.0) for _ in range(4)] == [
        *[Accept(bytes(8), None, proven=True)] * 3,
        None,
    ]
    assert admission.judge(header(), 1200, here, QuicSettings().max_half_open, 100.0) is None


def test_a_client_that_never_answers_gets_at_most_three_times_what_it_sent() -> None:
    net = Network()
    b = net.host(2)
    (source,) = strangers(1)
    data = first_flight(net)
    for _ in range(5):
        net.inject(data, source, b.address)
        net.run(1.0)
        assert 0 < back(net, source) <= 3 * net.sent[source, b.address]
    net.run(30.0)
    assert back(net, source) <= 3 * net.sent[source, b.address]
    assert b.endpoint.connections == b.endpoint.connection_ids == 0 and not b.events


def test_a_tls_message_without_end_is_not_gathered() -> None:
    net = Network()
    attacker, victim = net.host(1), net.host(2)
    attacker.dial(victim)
    (connection,) = attacker.endpoint._connections
    # A Certificate of 16 MiB is announced before anything that this side says in the handshake.
    connection._quic._crypto_streams[Epoch.HANDSHAKE].sender.write(b"\x0b\xff\xff\xff" + bytes(400_000))
    gathered = 0

    def look() -> bool:
        nonlocal gathered
        gathered = max([gathered, *(len(each._quic.tls._receive_buffer) for each in victim.endpoint._connections)])
        return False

    net.run(30.0, until=look)
    assert 10_000 < gathered <= MAX_TLS_MESSAGE + MTU
    assert not victim.connected and victim.endpoint.connections == 0


def test_copies_of_a_first_flight_from_elsewhere_send_nothing_more_to_the_first_source() -> None:
    net = Network()
    b = net.host(2)
    victim, attacker = strangers(2)
    data = first_flight(net)
    net.inject(data, victim, b.address)
    for _ in range(50):
        net.inject(data, attacker, b.address)
        net.run(0.2)
    assert back(net, victim) <= 3 * len(data) and back(net, attacker) == 0


def test_a_flood_of_first_flights_is_bounded_and_an_honest_client_still_gets_in() -> None:
    net = Network()
    a, b = net.host(1), net.host(2)
    flood = [first_flight(net, seed) for seed in range(100, 110)]
    for number, source in enumerate(strangers(1000)):
        for _ in range(2):
            data = bytearray(flood[number % 10])
            data[6:14] = os.urandom(8)
            net.inject(bytes(data), source, b.address)
    net.run(0.1)
    # Nothing of it can be decrypted, since the keys follow from the connection id: no state is kept at all.
    assert b.endpoint.connections == 0
    dial = a.dial(b)
    net.run(3.0)
    assert [event.dial for event in a.connected] == [dial]


def test_a_flood_of_valid_first_flights_meets_retry_and_the_prefix_limit() -> None:
    net = Network(settings=QuicSettings(retry_threshold=4, initial_burst=8, initial_rate=1.0))
    a, b = net.host(1), net.host(2)
    flights = [first_flight(net, seed) for seed in range(100, 140)]
    (near,) = strangers(1)
    for data in flights[:20]:
        net.inject(data, near, b.address)
    net.run(0.1)
    assert b.endpoint.connections == 4
    assert back(net, near) <= 4 * 3 * 1200 + 4 * 200
    far = strangers(40)[20:]
    for data, source in zip(flights[20:], far, strict=True):
        net.inject(data, source, b.address)
    net.run(0.1)
    assert b.endpoint.connections == 4
    dial = a.dial(b)
    net.run(2.0)
    assert [event.dial for event in a.connected] == [dial]
    assert b.endpoint.connections == 5


@given(st.lists(st.binary(max_size=1400), max_size=20))
def test_noise_is_dropped(datagrams: list[bytes]) -> None:
    net = Network()
    b = net.host(2)
    for data in datagrams:
        net.inject(data, Address("192.0.2.1", 9), b.address)
    net.run(1.0)
    assert b.endpoint.connections == 0 and all(isinstance(event, DatagramReceived) for event in b.events)


@given(seed=st.integers(0, 2**32), rate=st.sampled_from([0.05, 0.3]))
def test_damaged_packets_of_a_connection_do_it_no_harm(seed: int, rate: float) -> None:
    net = Network(seed)
    rng = random.Random(seed)
    a, b = net.host(1), net.host(2)

    def damage(data: bytes, source: Address, target: Address) -> bool:
        if rng.random() < rate:
            broken = bytearray(data)
            broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
            host = net.hosts.get(target)
            if host is not None:
                host.endpoint.receive(bytes(broken)[: rng.randrange(1, len(broken) + 1)], source, net.now)
        return True

    net.tap = damage
    a.dial(b, timeout=20.0)
    net.run(5.0)
    for number in range(20):
        a.send(b, numbered(number, 1000))
    net.run(30.0)
    assert b.numbers() == list(range(20)) and not a.lost and not b.lost


@given(
    seed=st.integers(0, 2**32),
    loss=st.floats(0, 0.1),
    duplicate=st.floats(0, 0.5),
    jitter=st.floats(0, 0.1),
    sizes=st.lists(st.integers(0, 20_000), min_size=1, max_size=10),
)
def test_everything_arrives_once_and_in_order_over_a_bad_link(
    seed: int, loss: float, duplicate: float, jitter: float, sizes: list[int]
) -> None:
    net = Network(seed)
    net.link = Link(0.02, jitter, loss, duplicate)
    a, b = net.host(1), net.host(2)
    a.dial(b, timeout=30.0)
    net.run(30.0, lambda: bool(a.connected and b.connected))
    for number, size in enumerate(sizes):
        a.send(b, numbered(number, size))
        b.send(a, numbered(number, size))
    net.run(50.0, lambda: len(a.numbers()) == len(b.numbers()) == len(sizes))
    assert a.numbers() == b.numbers() == list(range(len(sizes)))
    assert [len(m.payload) for m in b.received() if isinstance(m, Publish)] == sizes
