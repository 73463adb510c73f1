"""Peers that want this node to send to somebody else."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from macula.core.address import Address
from macula.identity import NodeId
from macula.nat.facts import Facts
from macula.nat.profile import Mapping, Ports
from macula.nat.punching.actions import Action, Ended, SendProbe, Tell
from macula.nat.punching.candidates import Candidate, CandidateKind
from macula.nat.punching.offer import Side, new_terms, write_offer
from macula.nat.punching.probe import SIZE
from macula.nat.punching.puncher import Puncher, Stage
from macula.nat.punching.quota import Quota
from macula.wire.messages import Candidates, Sync

ME = NodeId(b"\x05" * 32)
OWN = Side(Facts(), (Candidate(CandidateKind.REFLEXIVE, Address("198.51.100.1", 5000)),))
VICTIM = "9.9.9.9"
AIMED = Side(
    Facts(Mapping.ADDRESS_AND_PORT_DEPENDENT, None, Ports.SEQUENTIAL, 7, 5000),
    tuple(Candidate(CandidateKind.REFLEXIVE, Address(VICTIM, port)) for port in range(1, 17)),
)


class Aimer:
    """A follower that names the victim as often as it may, and never sends a probe."""

    aimed = AIMED

    def __init__(self, number: int, quota: Quota) -> None:
        self.peer = NodeId(bytes([6, number]) + bytes(30))
        self.puncher = Puncher(ME, self.peer, b"s" * 32, random.Random(number), quota, 0.0)
        self.terms = new_terms(b"t" * 32, ME, random.Random(number))
        self.hit: Counter[Address] = Counter()
        self.offered: list[int] = []
        self.do(self.puncher.start(OWN, 0.0))

    def do(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, SendProbe):
                self.hit[action.target] += 1
            elif isinstance(action, Tell) and isinstance(action.message, Candidates):
                self.offered.append(action.message.round)

    def turn(self, now: float) -> None:
        self.do(self.puncher.tick(now))
        answers = self.puncher.stage is Stage.OFFERED
        number = self.offered[-1] if answers else 0
        self.do(self.puncher.message(write_offer(self.aimed, self.terms, number, 0.0), now))


def test_many_peers_that_name_one_victim_share_one_bound() -> None:
    quota = Quota()
    aimers = [Aimer(number, quota) for number in range(8)]
    for turn in range(1200):
        for aimer in aimers:
            aimer.turn(turn * 0.25)
    total = sum(sum(aimer.hit.values()) for aimer in aimers)
    assert total > 64
    assert total <= 64 + 300 + 1
    assert {target.host for aimer in aimers for target in aimer.hit} == {VICTIM}


class Spreader(Aimer):
    """One that names other addresses of the victim's network each time."""

    def turn(self, now: float) -> None:
        hosts = (f"9.9.9.{(int(now * 64) + number) % 254 + 1}" for number in range(16))
        named = tuple(Candidate(CandidateKind.REFLEXIVE, Address(host, 4000)) for host in hosts)
        self.aimed = Side(AIMED.facts, named)
        super().turn(now)


def test_many_peers_that_name_all_addresses_of_a_network_share_one_bound() -> None:
    quota = Quota()
    spreaders = [Spreader(number, quota) for number in range(8)]
    for turn in range(1200):
        for spreader in spreaders:
            spreader.turn(turn * 0.25)
    total = sum(sum(spreader.hit.values()) for spreader in spreaders)
    assert 256 < total <= 256 + 4 * 300 + 1


@pytest.mark.parametrize(("seconds", "most"), [(10, 64 + 10), (300, 64 + 300)])
def test_what_one_peer_brings_upon_a_stranger_is_small(seconds: int, most: int) -> None:
    aimer = Aimer(1, Quota())
    for turn in range(seconds * 4):
        aimer.turn(turn * 0.25)
    probes = sum(aimer.hit.values())
    print(f"in {seconds} s a stranger gets {probes} probes, {probes * SIZE} bytes, for {len(aimer.offered)} messages")
    assert 0 < probes <= most


def test_a_peer_cannot_make_rounds_without_end() -> None:
    aimer = Aimer(1, Quota())
    for turn in range(2400):
        aimer.turn(turn * 0.25)
    assert len(aimer.offered) <= 8 + 600 * 0.2 + 1
    assert max(aimer.hit.values()) <= 12 * len(aimer.offered)


def test_messages_out_of_place_are_nothing() -> None:
    """For a node that leads, and for one that does not."""
    for peer in (NodeId(b"\x06" * 32), NodeId(b"\x04" * 32)):
        puncher = Puncher(ME, peer, b"s" * 32, random.Random(1), Quota(), 0.0)
        terms = new_terms(b"t" * 32, ME, random.Random(1))
        assert puncher.message(Sync(0, 0), 0.0) == []
        assert puncher.message(Sync(7, 2), 0.0) == []
        assert puncher.message(write_offer(OWN, terms, 0, 0.0), 0.0) == []
        puncher.start(OWN, 0.0)
        stage = puncher.stage
        for wrong in (Sync(1, 0), Sync(1, 1), Sync(1, 2), Sync(99, 0)):
            assert puncher.message(wrong, 0.1) == []
        assert puncher.stage is stage


def test_loopback_is_used_only_by_who_is_there() -> None:
    here = Side(Facts(), (Candidate(CandidateKind.INTERFACE, Address("127.0.0.1", 9443)),))
    for mine, probed in ((OWN, []), (here, [Address("127.0.0.1", 9443)])):
        puncher = Puncher(ME, NodeId(b"\x06" * 32), b"s" * 32, random.Random(1), Quota(), 0.0)
        puncher.start(mine, 0.0)
        puncher.message(write_offer(here, new_terms(b"t" * 32, ME, random.Random(1)), 1, 0.0), 0.0)
        assert [action.target for action in puncher.tick(0.0) if isinstance(action, SendProbe)] == probed


def test_a_peer_that_does_not_go_on_is_told_of_and_tried_again() -> None:
    puncher = Puncher(ME, NodeId(b"\x06" * 32), b"s" * 32, random.Random(1), Quota(), 0.0)
    puncher.start(OWN, 0.0)
    assert puncher.next_deadline() == 10.0
    (ended,) = puncher.tick(10.0)
    assert isinstance(ended, Ended)
    assert ended.reason == "the peer did not go on with the round that was begun"
    assert puncher.next_deadline() == 70.0
    (again,) = puncher.tick(70.0)
    assert isinstance(again, Tell)
    assert isinstance(again.message, Candidates)
    assert again.message.round == 2


def test_a_peer_whose_held_time_is_nonsense_is_not_waited_for() -> None:
    puncher = Puncher(ME, NodeId(b"\x06" * 32), b"s" * 32, random.Random(1), Quota(), 0.0)
    puncher.start(OWN, 0.0)
    terms = new_terms(b"t" * 32, ME, random.Random(1))
    assert puncher.message(write_offer(OWN, terms, 1, 59.0), 0.2) == [Tell(Sync(1, 0))]
    assert puncher.next_deadline() == 0.2
