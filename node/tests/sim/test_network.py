"""The simulated network, with hosts that only note what they are told."""

from __future__ import annotations

import random

import pytest

from macula.core.address import Address
from macula.core.effects import ClosePeer, Dial, SendMessage
from macula.core.events import UNREACHABLE, DialFailed, Event, MessageReceived, PeerConnected, PeerLost
from macula.core.lanes import Lane
from macula.errors import ArgumentError
from macula.identity import Identity, NodeId
from macula.sim.clock import Clock
from macula.sim.network import Network, NetworkSettings
from macula.wire.messages import Ping


def node(index: int) -> NodeId:
    return Identity.from_random(random.Random(index)).node_id


def address(index: int) -> Address:
    return Address(f"10.0.0.{index}", 9443)


class Lab:
    """Hosts 1, 2 and so on; `told` has each one's events with their times."""

    def __init__(self, hosts: int = 2, seed: int = 1, **settings: float) -> None:
        self.clock = Clock()
        self.network = Network(self.clock, random.Random(seed), NetworkSettings(**settings))
        self.told: dict[int, list[tuple[float, Event]]] = {}
        for host in range(1, hosts + 1):
            self.start(host)

    def start(self, host: int) -> None:
        told = self.told[host] = []
        self.network.attach(node(host), address(host), lambda event: told.append((self.clock.now, event)))

    def dial(self, source: int, target: int, *, expected: int | None = None, dial: int = 7) -> None:
        who = None if expected is None else node(expected)
        self.network.execute(node(source), Dial(dial, (address(target),), who, 3.0))

    def connect(self, source: int, target: int) -> None:
        self.dial(source, target)
        self.run(1.0)
        assert any(isinstance(event, PeerConnected) for _, event in self.told[source])
        self.forget()

    def send(self, source: int, target: int, number: int, lane: Lane = Lane.CONTROL) -> None:
        self.network.execute(node(source), SendMessage(node(target), lane, Ping(number)))

    def run(self, seconds: float) -> None:
        until = self.clock.now + seconds
        while self.clock.step(until):
            pass

    def forget(self) -> None:
        for told in self.told.values():
            told.clear()

    def events(self, host: int) -> list[Event]:
        return [event for _, event in self.told[host]]

    def numbers(self, host: int, lane: Lane = Lane.CONTROL) -> list[int]:
        return [
            event.message.request
            for event in self.events(host)
            if isinstance(event, MessageReceived) and event.lane is lane and isinstance(event.message, Ping)
        ]


def test_a_dial_connects_both_sides_after_one_round_trip() -> None:
    lab = Lab()
    lab.dial(1, 2)
    lab.run(1.0)
    assert lab.events(1) == [PeerConnected(node(2), address(2), 7, fresh=True)]
    assert lab.events(2) == [PeerConnected(node(1), address(1), None, fresh=True)]
    assert 0.03 <= lab.told[1][0][0] <= 0.05


def test_a_dial_to_a_connected_host_leads_to_the_connection_that_there_is() -> None:
    lab = Lab()
    lab.connect(1, 2)
    lab.dial(2, 1, dial=8)
    lab.run(1.0)
    assert lab.events(2) == [PeerConnected(node(1), address(1), 8, fresh=False)]
    assert lab.events(1) == []


def test_nobody_there_and_somebody_else_there() -> None:
    lab = Lab()
    lab.dial(1, 9)
    lab.run(2.99)
    assert lab.events(1) == []
    lab.run(0.02)
    assert lab.events(1) == [DialFailed(7, UNREACHABLE, "no answer in 3 s")]
    lab.forget()
    lab.dial(1, 2, expected=3)
    lab.run(1.0)
    (failed,) = lab.events(1)
    assert isinstance(failed, DialFailed)
    assert failed.code == "bad_identity"


def test_the_first_address_that_somebody_has_is_taken() -> None:
    lab = Lab()
    lab.network.execute(node(1), Dial(7, (address(9), address(2)), node(2), 3.0))
    lab.run(1.0)
    assert lab.events(1) == [PeerConnected(node(2), address(2), 7)]


@pytest.mark.parametrize("seed", range(5))
def test_a_lane_keeps_its_order_and_lanes_overtake_each_other(seed: int) -> None:
    lab = Lab(seed=seed, jitter=0.9)
    lab.connect(1, 2)
    for number in range(100):
        lab.send(1, 2, number, Lane.RPC)
        lab.send(1, 2, number, Lane.PUBSUB)
        lab.run(0.001)
    lab.run(1.0)
    assert lab.numbers(2, Lane.RPC) == list(range(100))
    assert lab.numbers(2, Lane.PUBSUB) == list(range(100))
    lanes = [event.lane for event in lab.events(2) if isinstance(event, MessageReceived)]
    assert lanes != [Lane.RPC, Lane.PUBSUB] * 100


def test_frames_pass_through_the_codec() -> None:
    lab = Lab()
    lab.connect(1, 2)
    lab.send(1, 2, 5)
    lab.run(1.0)
    (received,) = lab.events(2)
    assert isinstance(received, MessageReceived)
    assert received.size == 8 + len(b"\x81\xa7request\x05")
    with pytest.raises(ArgumentError, match="request"):
        lab.send(1, 2, -1)


def test_a_close_is_told_to_both_with_its_code_and_ends_what_was_under_way() -> None:
    lab = Lab()
    lab.connect(1, 2)
    lab.send(1, 2, 5)
    lab.network.execute(node(1), ClosePeer(node(2), "idle", "not used"))
    lab.run(1.0)
    assert lab.events(1) == [PeerLost(node(2), "idle", "not used")]
    assert lab.events(2) == [PeerLost(node(1), "idle", "not used")]
    lab.send(1, 2, 6)
    lab.run(1.0)
    assert lab.numbers(2) == []


def test_a_dead_host_is_noticed_after_15_seconds() -> None:
    lab = Lab()
    lab.connect(1, 2)
    lab.network.detach(node(2))
    lab.send(1, 2, 5)
    lab.run(14.9)
    assert lab.events(1) == []
    lab.run(0.2)
    assert lab.events(1) == [PeerLost(node(2), "idle", "host died")]
    assert lab.events(2) == []


def test_a_host_that_is_back_before_its_death_was_noticed_keeps_its_new_connection() -> None:
    lab = Lab()
    lab.connect(1, 2)
    lab.network.detach(node(2))
    lab.run(5.0)
    lab.start(2)
    lab.dial(2, 1)
    lab.run(30.0)
    assert lab.events(1) == [PeerConnected(node(2), address(2), None, fresh=True)]
    assert lab.events(2) == [PeerConnected(node(1), address(1), 7, fresh=True)]


def test_a_host_that_was_started_anew_is_not_told_what_the_old_one_asked_for() -> None:
    lab = Lab()
    lab.dial(1, 9)
    lab.dial(1, 2, dial=8)
    lab.network.detach(node(1))
    lab.start(1)
    lab.run(10.0)
    assert lab.events(1) == []
    assert lab.events(2) == []


def test_a_partition_cuts_and_a_healed_one_connects_again() -> None:
    lab = Lab(hosts=3)
    lab.connect(1, 2)
    lab.connect(1, 3)
    lab.network.partition([node(1), node(2)])
    lab.send(1, 2, 5)
    lab.send(1, 3, 6)
    lab.dial(3, 2, dial=8)
    lab.run(16.0)
    assert lab.numbers(2) == [5]
    assert lab.events(3) == [DialFailed(8, UNREACHABLE, "no answer in 3 s"), PeerLost(node(1), "idle", "partitioned")]
    assert lab.events(1) == [PeerLost(node(3), "idle", "partitioned")]
    lab.forget()
    lab.network.heal()
    lab.dial(3, 2, dial=9)
    lab.run(1.0)
    assert lab.events(3) == [PeerConnected(node(2), address(2), 9)]


def test_a_partition_during_a_handshake_ends_it() -> None:
    lab = Lab()
    lab.dial(1, 2)
    lab.network.partition([node(1)])
    lab.run(1.0)
    assert lab.events(1) == [DialFailed(7, UNREACHABLE, "no answer")]
    assert lab.events(2) == []


def test_a_host_that_dials_itself_can_close_that() -> None:
    lab = Lab(hosts=1)
    lab.dial(1, 1)
    lab.run(1.0)
    assert [event.dial for event in lab.events(1) if isinstance(event, PeerConnected)] == [None, 7]
    lab.network.execute(node(1), ClosePeer(node(1), "duplicate", "itself"))
    lab.run(1.0)
    assert isinstance(lab.events(1)[-1], PeerLost)
