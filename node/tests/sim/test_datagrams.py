"""Datagrams through segments and boxes."""

from __future__ import annotations

import random

import pytest

from macula.core.address import Address
from macula.nat.profile import parse
from macula.sim.clock import Clock
from macula.sim.datagrams import MTU, Datagrams, Link, Segment, SimHost
from macula.sim.nat import NatBox

HOME, PEER = Address("192.168.1.2", 9443), Address("198.51.100.7", 9443)


class Scene:
    """A network, and what came to each host, in order."""

    def __init__(self, seed: int = 1) -> None:
        self.clock = Clock()
        self.net = Datagrams(self.clock, random.Random(seed))
        self.got: dict[str, list[tuple[float, bytes, Address]]] = {}

    def behind(self, kind: str, outside: str, parent: Segment | None = None, link: Link | None = None) -> Segment:
        return self.net.behind(NatBox(parse(kind), outside, random.Random(3)), parent, link)

    def host(self, name: str, segment: Segment, address: Address, link: Link | None = None) -> SimHost:
        got = self.got[name] = []
        return self.net.attach(segment, address, lambda data, src: got.append((self.clock.now, data, src)), link)

    def run(self, seconds: float = 5.0) -> None:
        until = self.clock.now + seconds
        while self.clock.step(until):
            pass


def test_a_packet_is_translated_and_its_answer_finds_back() -> None:
    scene = Scene()
    home = scene.host("home", scene.behind("port_restricted", "203.0.113.1", link=Link(0.03)), HOME, Link(0.001))
    peer = scene.host("peer", scene.net.public, PEER, Link(0.02))
    home.send(PEER, b"out")
    scene.run()
    ((at, data, source),) = scene.got["peer"]
    assert (data, source) == (b"out", Address("203.0.113.1", 9443))
    assert at == pytest.approx(0.051)
    peer.send(source, b"back")
    scene.run()
    assert scene.got["home"][0][1:] == (b"back", PEER)


def test_two_boxes_in_a_row_translate_twice() -> None:
    scene = Scene()
    carrier = scene.behind("cgnat", "203.0.113.1", link=Link(0.01))
    inner = scene.behind("home", "100.64.0.31", carrier, Link(0.01))
    home = scene.host("home", inner, HOME)
    peer = scene.host("peer", scene.net.public, PEER)
    home.send(PEER, b"out")
    scene.run()
    source = scene.got["peer"][0][2]
    assert source.host == "203.0.113.1"
    assert 40000 <= source.port <= 40063
    peer.send(source, b"back")
    peer.send(Address(source.host, source.port ^ 1), b"astray")
    scene.run()
    assert [data for _, data, _ in scene.got["home"]] == [b"back"]


def test_neighbours_meet_inside_and_by_hairpin() -> None:
    scene = Scene()
    lan = scene.behind("home", "203.0.113.1")
    one = scene.host("one", lan, HOME)
    two = scene.host("two", lan, Address("192.168.1.3", 9000))
    peer = scene.host("peer", scene.net.public, PEER)
    two.send(PEER, b"hello")
    one.send(two.address, b"inside")
    one.send(Address("203.0.113.1", 9001), b"too early")
    scene.run()
    one.send(scene.got["peer"][0][2], b"turned")
    scene.run()
    assert [(d, s) for _, d, s in scene.got["two"]] == [(b"inside", HOME), (b"turned", Address("203.0.113.1", 9443))]
    assert peer.address == PEER


def test_hosts_behind_a_plain_router_have_their_own_addresses() -> None:
    scene = Scene()
    behind = scene.host("behind", scene.behind("none", "203.0.113.1"), Address("198.51.100.99", 1))
    scene.host("peer", scene.net.public, PEER)
    behind.send(PEER, b"out")
    scene.net.inject(PEER, behind.address, b"in")
    scene.run()
    assert scene.got["peer"][0][2] == behind.address
    assert scene.got["behind"][0][1] == b"in"


def test_nothing_goes_to_nobody() -> None:
    scene = Scene()
    home = scene.host("home", scene.behind("home", "203.0.113.1"), HOME)
    scene.host("peer", scene.net.public, PEER)
    for target in (Address("9.9.9.9", 1), Address("203.0.113.1", 5), Address(PEER.host, 1), Address("192.168.1.9", 1)):
        home.send(target, b"x")
    home.send(PEER, bytes(MTU + 1))
    scene.run()
    assert scene.got == {"home": [], "peer": []}


def test_loss_and_jitter_come_from_the_seed() -> None:
    def arrivals(seed: int) -> list[float]:
        scene = Scene(seed)
        home = scene.host("home", scene.behind("home", "203.0.113.1", link=Link(0.05, 0.02, 0.1)), HOME)
        scene.host("peer", scene.net.public, PEER)
        for _ in range(500):
            home.send(PEER, b"x")
        scene.run()
        return [at for at, _, _ in scene.got["peer"]]

    seen = arrivals(1)
    assert 420 < len(seen) < 480
    assert all(0.05 <= at <= 0.07 for at in seen)
    assert arrivals(1) == seen
    assert arrivals(2) != seen


def test_a_host_roams_and_a_tap_drops() -> None:
    scene = Scene()
    home = scene.host("home", scene.behind("home", "203.0.113.1"), HOME)
    scene.host("peer", scene.net.public, PEER)
    scene.net.move(home, scene.behind("home", "203.0.113.2"), Address("192.168.9.2", 9443))
    home.send(PEER, b"moved")
    scene.run()
    assert scene.got["peer"][0][2].host == "203.0.113.2"
    scene.net.tap = lambda data, source, target: data != b"secret"
    home.send(PEER, b"secret")
    scene.run()
    assert len(scene.got["peer"]) == 1
    assert scene.net.sent[PEER] == 2
