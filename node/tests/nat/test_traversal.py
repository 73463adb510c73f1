"""From relayed to direct and back, as the engine would see it."""

from __future__ import annotations

import pytest

from macula.core.address import Address
from macula.core.events import DatagramReceived, PeerSuspect
from macula.core.requests import Draining, PeerDown, Punch, Redial
from macula.core.route import Relayed
from macula.nat.decisions import Verdict
from macula.nat.punching.candidates import CandidateKind
from macula.nat.punching.offer import Side
from macula.wire import codes

from .duo import RELAY, Duo, Node
from .punching.pair import KINDS


def direct(*nodes: Node) -> bool:
    return all(isinstance(node.route, Address) for node in nodes)


def connected(a: str, b: str) -> Duo:
    duo = Duo(KINDS.get(a, a), KINDS.get(b, b))
    duo.connect()
    duo.run(2.0)
    return duo


@pytest.mark.parametrize(
    ("a", "b", "works"),
    [
        ("port_restricted", "port_restricted", True),
        ("sequential", "port_restricted", True),
        ("symmetric", "restricted", True),
        ("symmetric", "port_restricted", False),
    ],
)
def test_a_relayed_peer_becomes_direct_where_it_can(a: str, b: str, works: bool) -> None:
    duo = connected(a, b)
    assert direct(duo.a, duo.b) is works
    assert duo.through()
    for node in (duo.a, duo.b):
        names = [trace.name for trace in node.traces]
        assert ("path.chosen" in names) is works
        assert ("punch.succeeded" if works else "punch.failed") in names
        assert node.routes[0][0] - duo.pair.began < 0.2 if works else not node.routes


def test_it_stays_direct_by_heartbeats_alone() -> None:
    """Mappings of 20 s live as long as they are asked."""
    duo = connected("port_restricted,lifetime=20", "port_restricted,lifetime=20")
    before = duo.a.probes
    duo.run(600.0)
    assert direct(duo.a, duo.b)
    assert duo.through()
    assert len(duo.a.routes) == len(duo.b.routes) == 1
    # One heartbeat and one answer in 5 s.
    assert duo.a.probes - before <= 2 * 600 / 5 + 2


@pytest.mark.parametrize("moves", [False, True])
def test_after_a_nat_rebooted_it_is_relayed_and_then_direct_again(moves: bool) -> None:
    duo = connected("port_restricted", "port_restricted")
    duo.pair.boxes[0].reboot("203.0.113.99" if moves else None)
    began = duo.now
    # Three probe time-outs of QUIC.
    duo.run(0.5)
    duo.suspect()
    duo.run(1.5)
    assert duo.through()
    duo.a.know()
    duo.run(1.0)
    assert direct(duo.a, duo.b)
    assert duo.through()
    for node in (duo.a, duo.b):
        relayed = [at for at, route in node.routes if isinstance(route, Relayed)]
        assert all(at - began < 2.0 for at in relayed)


def test_a_peer_that_tells_other_addresses_may_have_moved() -> None:
    duo = connected("port_restricted", "port_restricted")
    duo.pair.boxes[0].reboot("203.0.113.99")
    duo.a.know()
    duo.run(0.1)
    for node in (duo.a, duo.b):
        explained = node.service.explain(node.other.identity.node_id)
        assert explained is not None
        assert explained.decisions[-1].verdict in (Verdict.QUESTIONED, Verdict.FOUND, Verdict.CHOSEN)
        assert any(one.reason == "the network changed" for one in explained.decisions)
    duo.run(1.0)
    assert direct(duo.a, duo.b)
    assert duo.through()


def test_without_data_a_dead_path_is_noticed_by_its_silence() -> None:
    duo = connected("port_restricted", "restricted")
    duo.pair.net.tap = lambda data, source, target: False
    duo.run(16.0)
    assert not direct(duo.a)
    assert not direct(duo.b)
    explained = duo.a.service.explain(duo.b.identity.node_id)
    assert explained is not None
    assert explained.route == Relayed(RELAY, duo.b.identity.node_id)
    verdicts = [one.verdict for one in explained.decisions]
    assert verdicts == [Verdict.CHOSEN, Verdict.FOUND, Verdict.CHOSEN, Verdict.LOST, Verdict.CHOSEN]
    assert explained.decisions[0].route == Relayed(RELAY, duo.b.identity.node_id)
    duo.pair.net.tap = lambda data, source, target: True
    duo.run(200.0)
    assert direct(duo.a, duo.b)


def test_why_tells_both_sides_and_what_was_decided() -> None:
    duo = connected("symmetric", "port_restricted")
    explained = duo.a.service.explain(duo.b.identity.node_id)
    assert explained is not None
    assert explained.mine is not None
    assert explained.theirs is not None
    assert explained.mine.facts.dependent
    assert not explained.theirs.facts.dependent
    assert explained.last is not None
    assert not explained.last.direct
    assert explained.last.reason == "the first NAT takes a new port for the peer, which is random"
    assert explained.decisions[-1].verdict is Verdict.FAILED
    assert explained.stage == "resting"
    assert explained.paths == ()
    assert duo.a.service.explain(duo.a.identity.node_id) is None


def test_why_tells_that_a_peer_does_not_answer() -> None:
    duo = connected("port_restricted", "symmetric")
    duo.suspect()
    explained = duo.a.service.explain(duo.b.identity.node_id)
    assert explained is not None and explained.suspect
    duo.a.handle(PeerSuspect(duo.b.identity.node_id, False))
    explained = duo.a.service.explain(duo.b.identity.node_id)
    assert explained is not None and not explained.suspect


def test_nothing_is_done_for_dialed_peers_when_both_can_be_reached() -> None:
    duo = Duo(KINDS["none"], KINDS["none"])
    duo.b.service.reachable = True
    duo.b.know()
    duo.b.other.reachable = True
    duo.b.connect(duo.a.peer.host.address)
    assert duo.b.service.explain(duo.a.identity.node_id) is None
    assert not duo.b.service._peers
    duo.b.connect(Relayed(RELAY, duo.a.identity.node_id))
    assert duo.b.service._peers


def test_a_dialed_peer_exchanges_keys_only_and_is_found_when_it_moved() -> None:
    duo = Duo(KINDS["port_restricted"], KINDS["none"])
    server = duo.b.peer.host.address
    duo.a.know()
    duo.b.know()
    seen = duo.a.peer.outside(9443)
    assert seen is not None
    duo.a.peer.host.send(server, b"dial")
    duo.a.connect(server)
    duo.b.connect(seen)
    duo.run(4.0)
    # Each asks the other once, and tries where it was asked from.
    assert duo.a.probes + duo.b.probes <= 8
    duo.run(60.0)
    assert (duo.a.route, duo.b.route) == (server, seen)
    explained = duo.b.service.explain(duo.a.identity.node_id)
    assert explained is not None
    assert [path.address for path in explained.paths] == [seen]
    assert duo.a.probes + duo.b.probes <= 8
    # The NAT forgets; the server cannot know, until the client suspects it and asks.
    duo.pair.boxes[0].reboot("203.0.113.99")
    duo.a.handle(PeerSuspect(duo.b.identity.node_id, True))
    duo.run(1.0)
    assert duo.b.route == Address("203.0.113.99", 9443)


def test_who_knows_itself_late_punches_then() -> None:
    duo = Duo(KINDS["port_restricted"], KINDS["restricted"])
    for node in (duo.a, duo.b):
        node.connect(Relayed(RELAY, node.other.identity.node_id))
    duo.run(1.0)
    assert not duo.a.probes
    duo.a.know()
    duo.run(0.3)
    duo.b.know()
    duo.run(15.0)
    assert direct(duo.a, duo.b)


def test_who_does_not_punch_is_left_alone() -> None:
    duo = Duo(KINDS["none"], KINDS["none"])
    for node in (duo.a, duo.b):
        node.know()
        node.connect(Relayed(RELAY, node.other.identity.node_id), punches=False)
    duo.run(10.0)
    assert duo.a.probes == duo.b.probes == 0
    assert duo.a.service.explain(duo.b.identity.node_id) is None


@pytest.mark.parametrize("after", [1.0, 30.0])
@pytest.mark.parametrize("leads", [True, False], ids=["the leader", "the follower"])
def test_a_peer_stays_relayed_while_a_direct_path_is_not_wanted(leads: bool, after: float) -> None:
    duo = Duo(KINDS["port_restricted"], KINDS["port_restricted"])
    lower, higher = sorted((duo.a, duo.b), key=lambda node: node.identity.node_id)
    one, other = (lower, higher) if leads else (higher, lower)
    one.handle(Punch(other.identity.node_id, False))
    duo.connect()
    duo.run(after)
    assert duo.a.probes == duo.b.probes == 0
    explained = one.service.explain(other.identity.node_id)
    assert explained is not None and explained.stage == "not wanted"
    one.handle(Punch(other.identity.node_id, True))
    duo.run(1.0 if leads or after < 10 else 12.0)
    assert direct(duo.a, duo.b)


def test_who_is_connected_already_is_not_spared_and_who_went_no_longer() -> None:
    duo = connected("none", "none")
    peer = duo.b.identity.node_id
    duo.a.handle(Punch(peer, False))
    assert not duo.a.service.spares(peer)
    duo.a.handle(PeerDown(peer, codes.IDLE, "idle"))
    duo.a.handle(Punch(peer, False))
    assert duo.a.service.spares(peer)
    duo.a.handle(PeerDown(peer, codes.IDLE, "idle"))
    assert not duo.a.service.spares(peer)


def test_a_relay_that_went_is_no_fall_back_and_a_new_connection_is() -> None:
    duo = connected("none", "none")
    duo.a.handle(PeerDown(RELAY, codes.IDLE, "idle"))
    duo.pair.net.tap = lambda data, source, target: False
    duo.run(16.0)
    assert direct(duo.a)
    assert duo.a.redials == [Redial(duo.b.identity.node_id)]
    assert not direct(duo.b)
    assert not duo.b.redials


def test_nothing_is_left_of_peers_that_went() -> None:
    duo = connected("none", "none")
    duo.a.handle(PeerDown(duo.b.identity.node_id, codes.IDLE, "idle"))
    duo.b.handle(Draining())
    for node in (duo.a, duo.b):
        assert node.service.next_deadline() is None
        assert not node.service._peers
        assert not node.service._receivers


def test_where_no_observer_saw_it_a_node_says_where_a_peer_did() -> None:
    duo = connected("port_restricted", "none")
    duo.a.do(duo.a.service.know(Side(duo.a.peer.facts, ()), duo.now))
    kinds = [one.kind for one in duo.a.service._told.candidates]
    assert kinds == [CandidateKind.OBSERVED]


def test_datagrams_of_strangers_are_nothing() -> None:
    duo = connected("none", "none")
    probes = duo.a.probes
    for data in (b"", b"\x21", b"\x21" + bytes(56), bytes(57), b"\x21" + b"\xff" * 56):
        assert duo.a.service.handle(DatagramReceived(Address("9.9.9.9", 9), data), duo.now, 0.0) == []
    assert duo.a.probes == probes
