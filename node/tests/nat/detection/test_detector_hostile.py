"""Answers that nobody asked for, malformed ones, and whatever else happens: the detector stays within its bounds."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from macula.core.address import Address
from macula.core.effects import SendDatagram
from macula.core.events import DatagramReceived, PeerSuspect, SocketFailed, SocketOpened, Tick
from macula.core.requests import Draining, PeerDown, Received
from macula.nat import stun
from macula.nat.info import NatType
from macula.nat.profile import Filtering
from macula.nat.settings import NatSettings
from macula.nat.stun import Endpoint, Kind, Message, Type
from macula.wire.messages import ObserverTold

from .scene import HOME, OUTSIDE, Host, Scene, joined, peer_info, peer_up


def test_answers_that_nobody_asked_for_change_nothing() -> None:
    scene, home, one, two = joined("port_restricted")
    scene.run(1.0)
    before = home.service.info
    lie = stun.xor_address_value(Endpoint("203.0.113.66", 666), stun.MAGIC_COOKIE + bytes(12))
    rng = random.Random(1)
    for number in (0, 4, 5, 77):
        for kind in Kind:
            data = stun.encode(Message(kind, stun.MAGIC_COOKIE + rng.randbytes(12), ((Type.XOR_MAPPED_ADDRESS, lie),)))
            home.tell(DatagramReceived(Address(one.host, 9443), data, number))
    for request in range(100):
        home.tell(Received(two.node, ObserverTold(request, 1, True, ())))
    sent = home.sent.total()
    scene.run(5.0)

    assert home.service.info == before
    assert home.sent.total() == sent


events = st.one_of(
    st.builds(
        DatagramReceived,
        st.sampled_from([Address("192.0.2.2", 9443), Address("192.0.2.3", 9444), Address("2001:db8::1", 1)]),
        st.binary(max_size=60),
        st.integers(0, 12),
    ),
    st.builds(
        lambda kind, transaction, attributes, socket: DatagramReceived(
            Address("192.0.2.2", 9443), stun.encode(Message(kind, stun.MAGIC_COOKIE + transaction, attributes)), socket
        ),
        st.sampled_from(Kind),
        st.binary(min_size=12, max_size=12),
        st.lists(st.tuples(st.sampled_from(Type), st.binary(max_size=20)), max_size=4).map(tuple),
        st.integers(0, 12),
    ),
    st.builds(
        lambda request, port, sent: Received(peer_info("192.0.2.2").node, ObserverTold(request, port, sent, (b"x",))),
        st.integers(0, 40),
        st.integers(0, 65_535),
        st.booleans(),
    ),
    st.builds(SocketOpened, st.integers(1, 3) | st.integers(100, 200), st.just(Address("10.0.0.2", 1))),
    st.builds(SocketFailed, st.integers(1, 3) | st.integers(100, 200), st.just("no")),
    st.builds(PeerSuspect, st.just(peer_info("192.0.2.2").node), st.booleans()),
    st.sampled_from([peer_up("192.0.2.2"), peer_up("192.0.2.3"), peer_up("192.0.2.4")]),
    st.sampled_from([PeerDown(peer_info("192.0.2.2").node, "lost", ""), Tick()]),
)


@given(st.lists(st.tuples(events, st.floats(0.0, 3.0)), max_size=40), st.sampled_from(["home", "symmetric", "none"]))
@settings(max_examples=40, deadline=None)
def test_whatever_happens_the_node_stays_within_its_bounds(happening: list[tuple[Any, float]], nat: str) -> None:
    scene = Scene()
    one, two = scene.observer(2), scene.observer(3)
    home = scene.home(nat)
    scene.join(home, one, two)
    id_ = home.ask()
    for event, seconds in happening:
        home.tell(event)
        scene.run(seconds)
    scene.run(300.0)

    assert id_ in home.completed
    assert home.sent.total() < 80 * (2 + scene.clock.now / NatSettings().min_interval)
    home.tell(Draining())
    scene.run(1.0)
    assert len(home.sockets) == 1


def test_another_peer_cannot_answer_for_an_observer() -> None:
    scene = Scene()
    one, two, liar = scene.observer(2), scene.observer(3), scene.observer(4)
    home = scene.home("full_cone")
    scene.join(home, one, two)

    def lie(host: Host, source: Address, target: Address) -> bool:
        for request in range(60):
            home.tell(Received(liar.node, ObserverTold(request, 0, False, ())))
        return True

    scene.tap = lie
    assert scene.info(home).filtering is Filtering.ENDPOINT_INDEPENDENT


def test_observers_without_a_second_port_still_tell_nats_from_none() -> None:
    scene = Scene()
    one_port = NatSettings(answers=True, other_port=0)
    one, two = scene.observer(2, one_port), scene.observer(3, one_port)
    home = scene.home("full_cone")
    scene.join(home, one, two)
    info = scene.info(home)

    assert info.type is NatType.FULL_CONE


def test_a_second_port_that_is_taken_is_told_and_done_without() -> None:
    scene = Scene()
    scene.busy.add(("192.0.2.2", 9444))
    one, two = scene.observer(2), scene.observer(3)
    home = scene.home("port_restricted")
    scene.join(home, one, two)
    scene.run(0.1)

    assert [trace.name for trace in one.traces] == ["stun.port_failed"]
    info = scene.info(home)
    assert info.public == Address(OUTSIDE, 9443)
    assert info.mapping is not None


def test_an_answer_whose_address_is_malformed_is_no_answer() -> None:
    scene = Scene()
    one, two = scene.observer(2), scene.observer(3)
    home = scene.home("none")
    carry_out = scene.carry_out

    def spoil(host: Host, actions: list[object]) -> None:
        for index, action in enumerate(actions):
            if host is one and isinstance(action, SendDatagram):
                asked = stun.decode(action.data)
                data = stun.encode(Message(Kind.SUCCESS, asked.transaction, ((Type.XOR_MAPPED_ADDRESS, b"bad"),)))
                actions[index] = SendDatagram(action.target, data, action.socket)
        carry_out(host, actions)  # type: ignore[arg-type]

    scene.carry_out = spoil  # type: ignore[method-assign,assignment]
    scene.join(home, one, two)
    info = scene.info(home, within=120.0)

    assert info.public == Address(HOME, 9443)
    assert info.observers == (Address(two.host, 9443),)
