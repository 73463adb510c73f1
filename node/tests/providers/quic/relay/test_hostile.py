"""Strangers, thieves and floods at a relay and its clients: nothing comes of what they send, nothing goes back."""

from __future__ import annotations

import random

import pytest

from macula.core.address import Address
from macula.core.effects import EndClient, ServeClient, UseRelay
from macula.core.route import Relayed
from macula.identity import NodeId
from macula.providers.quic.relay.client import RelayClient
from macula.providers.quic.relay.forwarder import MIN_BURST, Forwarder
from macula.providers.quic.relay.frame import OVERHEAD, Sealer
from macula.providers.quic.relay.port import RelayPort
from providers.quic.network import numbered
from providers.quic.relay.parties import Parties

A, B, C = (NodeId(bytes([number]) * 32) for number in (1, 2, 3))
KEYS = {node: bytes([number]) * 32 for number, node in enumerate((A, B, C), 11)}
SESSIONS = {node: bytes([number]) * 8 for number, node in enumerate((A, B, C), 21)}
PLACES = {node: Address("192.0.2.1", 1000 + number) for number, node in enumerate((A, B, C))}
ELSEWHERE = Address("203.0.113.9", 9)
QUIC = b"\x40 a packet"


def forwarder(rate: int = 1 << 20) -> Forwarder:
    """A relay of A and B; C has no session."""
    relay = Forwarder(random.Random(1))
    for node in (A, B):
        relay.serve(node, SESSIONS[node], KEYS[node], rate, PLACES[node], 0.0)
    return relay


def sealer(node: NodeId) -> Sealer:
    return Sealer(SESSIONS[node], KEYS[node], to_relay=True)


def test_what_is_forwarded_is_as_large_as_what_came_and_names_its_true_sender() -> None:
    relay = forwarder()
    frame = sealer(A).seal(B, QUIC)
    forwarded = relay.forward(frame, PLACES[A], 0.0)
    assert forwarded is not None and forwarded[1] == PLACES[B] and len(forwarded[0]) == len(frame)
    client = RelayClient()
    client.use(C, SESSIONS[B], KEYS[B], ELSEWHERE)
    assert client.unwrap(forwarded[0]) == (Relayed(C, A), QUIC)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (sealer(C).seal(B, QUIC), "unknown session"),
        (Sealer(SESSIONS[A], KEYS[B], to_relay=True).seal(B, QUIC), "forged or repeated"),
        (Sealer(SESSIONS[A], KEYS[A], to_relay=False).seal(B, QUIC), "forged or repeated"),
        (sealer(A).seal(C, QUIC), "no session to go to"),
        (sealer(A).seal(A, QUIC), "not for another"),
        (sealer(A).seal(B, b"\x20" * 100), "not for another"),
        (sealer(A).seal(B, b"\x00\x01" * 20), "not for another"),
        (sealer(A).seal(B, b""), "unknown session"),
        (b"\x20", "unknown session"),
    ],
)
def test_what_is_not_from_a_client_for_another_is_dropped_and_counted(frame: bytes, reason: str) -> None:
    relay = forwarder()
    assert relay.forward(frame, PLACES[A], 0.0) is None
    assert relay.counts().dropped == {reason: 1}
    assert relay.counts().datagrams == 0


def test_a_repeated_frame_is_forwarded_once_and_moves_nobody() -> None:
    relay = forwarder()
    frame = sealer(A).seal(B, QUIC)
    assert relay.forward(frame, PLACES[A], 0.0) is not None
    assert relay.forward(frame, ELSEWHERE, 0.0) is None
    assert back_to(relay, A) == PLACES[A], "who repeats a frame from elsewhere does not get what is for its sender"


def test_only_the_newest_frame_moves_its_client() -> None:
    relay = forwarder()
    first, second = (seal := sealer(A)).seal(B, QUIC), seal.seal(B, QUIC)
    roamed = Address("198.51.100.7", 7)
    relay.forward(second, roamed, 0.0)
    relay.forward(first, PLACES[A], 0.0)
    assert back_to(relay, A) == roamed


def test_a_forged_frame_moves_nobody() -> None:
    relay = forwarder()
    relay.forward(Sealer(SESSIONS[A], bytes(32), to_relay=True).seal(B, QUIC), ELSEWHERE, 0.0)
    assert back_to(relay, A) == PLACES[A]


def back_to(relay: Forwarder, node: NodeId) -> Address:
    """Where the relay sends what is for a client now."""
    forwarded = relay.forward(sealer(B).seal(node, QUIC), PLACES[B], 0.0)
    assert forwarded is not None
    return forwarded[1]


def test_a_client_that_floods_gets_its_rate_and_takes_nothing_from_others() -> None:
    relay, seal = forwarder(rate=1000), sealer(A)
    size = OVERHEAD + 1200
    sent = [relay.forward(seal.seal(B, b"\x40" * 1200), PLACES[A], 0.0) for _ in range(300)]
    passed = sum(one is not None for one in sent)
    assert passed == MIN_BURST // size
    assert relay.forward(sealer(B).seal(A, QUIC), PLACES[B], 0.0) is not None
    later = sum(relay.forward(seal.seal(B, b"\x40" * 1200), PLACES[A], 20.0) is not None for _ in range(300))
    assert passed + later == (MIN_BURST + 20 * 1000) // size
    assert relay.counts().dropped == {"over rate": 600 - passed - later}


def test_many_who_flood_one_client_do_not_fill_its_link() -> None:
    relay = forwarder(rate=1000)
    size, passed = OVERHEAD + 1200, 0
    for number in range(50, 60):
        flooder = NodeId(bytes([number]) * 32)
        session, key = bytes([number]) * 8, bytes([number]) * 32
        relay.serve(flooder, session, key, 1 << 20, ELSEWHERE, 0.0)
        seal = Sealer(session, key, to_relay=True)
        passed += sum(relay.forward(seal.seal(B, b"\x40" * 1200), ELSEWHERE, 0.0) is not None for _ in range(50))
    assert passed == MIN_BURST // size
    assert relay.counts().dropped == {"over its target's rate": 500 - passed}


def test_a_new_session_ends_the_one_before() -> None:
    relay = forwarder()
    old = sealer(A)
    relay.serve(A, b"new one!", bytes(32), 1 << 20, PLACES[A], 0.0)
    assert relay.forward(old.seal(B, QUIC), PLACES[A], 0.0) is None
    assert relay.counts().sessions == 2
    relay.end(A)
    relay.end(A)
    assert relay.counts().sessions == 1


def test_a_relay_cannot_take_over_sessions_that_this_node_has_or_granted() -> None:
    port = RelayPort(random.Random(1))
    port.execute(ServeClient(A, SESSIONS[A], KEYS[A], 1 << 20), PLACES[A], 0.0)
    port.execute(ServeClient(B, SESSIONS[B], KEYS[B], 1 << 20), PLACES[B], 0.0)
    port.execute(UseRelay(C, SESSIONS[A], KEYS[C]), PLACES[C], 0.0)
    passed = port.receive(sealer(A).seal(B, QUIC), PLACES[A], 0.0)
    assert passed is not None and passed[1] == PLACES[B]

    client = RelayClient()
    client.use(A, SESSIONS[A], KEYS[A], PLACES[A])
    client.use(B, SESSIONS[A], KEYS[B], PLACES[B])
    assert client.address(B) is None
    frame = Sealer(SESSIONS[A], KEYS[A], to_relay=False).seal(C, QUIC)
    assert client.unwrap(frame) == (Relayed(A, C), QUIC)


def test_who_is_connected_through_a_relay_gets_no_session_and_is_no_relay() -> None:
    port = RelayPort(random.Random(1))
    port.execute(ServeClient(A, SESSIONS[A], KEYS[A], 1), Relayed(C, A), 0.0)
    port.execute(ServeClient(A, SESSIONS[A], KEYS[A], 1), None, 0.0)
    port.execute(UseRelay(B, SESSIONS[B], KEYS[B]), Relayed(C, B), 0.0)
    assert port.counts().sessions == 0 and not port.uses(B)


def test_a_hundred_thousand_sessions_leave_nothing_behind() -> None:
    rng = random.Random(1)
    relay = Forwarder(rng)
    for _ in range(100_000):
        relay.serve(A, rng.randbytes(8), KEYS[A], 1000, PLACES[A], 0.0)
    assert relay.counts().sessions == len(relay._by_session) == 1


def test_garbage_gets_no_answer_from_anybody() -> None:
    parties = Parties()
    parties.connect()
    net, (relay,) = parties.net, parties.relays
    rng = random.Random(2)
    stranger = Address("203.0.113.5", 5)
    captured: list[bytes] = []

    def tap(data: bytes, source: Address, target: Address) -> bool:
        if data[0] == 0x20:
            captured.append(data)
        return parties.passes(source, target)

    net.tap = tap
    parties.a.send(parties.b, numbered(1, 3000))
    net.run(0.5)
    assert captured
    net.tap = lambda data, source, target: parties.passes(source, target)
    for host in (parties.a, parties.b, relay):
        for frame in captured:
            net.inject(frame, stranger, host.address)
            net.inject(b"\x20" + rng.randbytes(rng.randrange(1, 200)), stranger, host.address)
            altered = bytearray(frame)
            altered[rng.randrange(1, len(frame))] ^= 1
            net.inject(bytes(altered), stranger, host.address)
    net.run(2.0)
    assert not any(target == stranger for _, target in net.sent)
    parties.a.send(parties.b, numbered(2))
    net.run(1.0)
    assert parties.b.numbers() == [1, 2]


def test_a_session_that_ended_stops_its_connections_and_nothing_else() -> None:
    parties = Parties()
    parties.connect()
    (relay,) = parties.relays
    relay.do(EndClient(parties.b.id))
    parties.a.send(parties.b, numbered(1))
    parties.net.run(3.0)
    assert parties.b.numbers() == []
    parties.a.send(relay, numbered(2))
    parties.net.run(1.0)
    assert relay.numbers() == [2]
