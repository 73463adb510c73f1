"""Random connects, losses, failures, hellos and messages: what must hold whatever happens.

The model plays the transport, the remote nodes and the DHT, and keeps the promises of the transport: each Dial is
answered once, each ClosePeer by a PeerLost, and at most one connection to a peer is there at a time.
"""

from __future__ import annotations

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from macula.core.effects import ClosePeer, Dial, SendMessage, Trace
from macula.core.events import UNREACHABLE, DialFailed, PeerConnected, PeerLost, PeerSuspect, SendBlocked, SendReady
from macula.core.lanes import Lane
from macula.core.requests import FindPeer, PeerDown, PeerFound, PeerUp, Route, SendFailed
from macula.engine.notices import AddressFailed, AddressUp
from macula.engine.peers import Outcome
from macula.engine.settings import PoolSettings
from macula.identity import NodeId
from macula.wire.messages import Call, Hello, Ping, Pong

from .playbook import Table, address, call, hello, node, peer_info, send

PEERS = range(1, 5)
INDEX = {node(index): index for index in range(5)}
LANES = st.sampled_from([Lane.RPC, Lane.PUBSUB])
POOL = PoolSettings(max_size=3, idle_timeout=30.0, pending_messages=4, address_book=3)


class Connections(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.table = Table(POOL)
        self.now = 0.0
        self.token = 0
        self.links: dict[int, str] = {}
        """Peers with a connection: "open", or "closing" after ClosePeer."""
        self.dials: dict[int, Dial] = {}
        self.searches: dict[int, NodeId] = {}
        self.addresses: dict[int, int] = {}
        """Dials by address that are not yet noticed, and whose address it is."""
        self.up: set[int] = set()
        self.answers: Counter[int] = Counter()
        self.asked: dict[int, tuple[int, Lane]] = {}
        self.arrived: dict[tuple[int, Lane], list[int]] = {}

    # What the table asks for.

    def take(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            match outcome:
                case SendMessage(peer, lane, message):
                    self.sent(INDEX[peer], lane, message)
                case Dial():
                    self.dials[outcome.dial] = outcome
                case ClosePeer(peer):
                    assert self.links[INDEX[peer]] == "open"
                    self.links[INDEX[peer]] = "closing"
                case FindPeer(token, peer):
                    self.searches[token] = peer
                case PeerUp(peer):
                    assert INDEX[peer] not in self.up
                    self.up.add(INDEX[peer])
                case PeerDown(peer):
                    self.up.remove(INDEX[peer])
                case SendFailed(token) | Route(_, _, token):
                    assert token is not None
                    self.answers[token] += 1
                case AddressUp(dial, peer):
                    assert INDEX[peer] in self.up
                    assert self.addresses.pop(dial) == INDEX[peer]
                case AddressFailed(dial):
                    del self.addresses[dial]
                case Trace() | PeerSuspect():
                    pass
                case _:
                    raise AssertionError(f"unexpected {outcome}")

    def sent(self, index: int, lane: Lane, message: object) -> None:
        assert self.links[index] == "open"
        if isinstance(message, Hello):
            assert index not in self.up
            return
        assert index in self.up
        if isinstance(message, Call):
            token = int.from_bytes(message.call_id, "big")
            assert self.asked[token] == (index, lane)
            self.answers[token] += 1
            self.arrived.setdefault((index, lane), []).append(token)

    # What services ask for.

    @rule(index=st.sampled_from(PEERS), lane=LANES)
    def message(self, index: int, lane: Lane) -> None:
        self.token += 1
        self.asked[self.token] = (index, lane)
        self.take(self.table.peers.send(send(index, self.token, lane=lane, message=call(self.token)), self.now))

    @rule(index=st.sampled_from(PEERS))
    def learn(self, index: int) -> None:
        self.table.learn(index)

    @rule(index=st.sampled_from(PEERS))
    def dial_address(self, index: int) -> None:
        number, dial = self.table.peers.dial_address(address(index), None, 3.0)
        self.addresses[number] = index
        self.take([dial])

    @rule(index=st.sampled_from(PEERS))
    def refuse(self, index: int) -> None:
        self.take(self.table.peers.refuse(node(index), "bad_message", "?"))

    # What the transport does.

    @rule(index=st.sampled_from(PEERS))
    def inbound(self, index: int) -> None:
        self.links[index] = "open"
        self.gone(index)
        self.take(self.table.connect(index, self.now))

    @precondition(lambda self: self.dials)
    @rule(data=st.data(), success=st.booleans(), fresh=st.booleans())
    def dial_ends(self, data: st.DataObject, success: bool, fresh: bool) -> None:
        number = data.draw(st.sampled_from(sorted(self.dials)))
        dial = self.dials.pop(number)
        if not success:
            self.take(self.table.peers.dial_failed(DialFailed(number, UNREACHABLE, "no answer"), self.now))
            return
        index = next(index for index in PEERS if dial.addresses == (address(index),))
        fresh = fresh or index not in self.links
        if fresh:
            self.links[index] = "open"
            self.gone(index)
        self.take(self.table.peers.connected(PeerConnected(node(index), address(index), number, fresh), self.now))

    @precondition(lambda self: self.links)
    @rule(data=st.data())
    def lost(self, data: st.DataObject) -> None:
        index = data.draw(st.sampled_from(sorted(self.links)))
        del self.links[index]
        self.gone(index)
        self.take(self.table.peers.lost(PeerLost(node(index), "idle", "gone"), self.now))

    @precondition(lambda self: self.links)
    @rule(data=st.data(), lane=LANES, ready=st.booleans())
    def lane(self, data: st.DataObject, lane: Lane, ready: bool) -> None:
        index = data.draw(st.sampled_from(sorted(self.links)))
        if ready and self.links[index] != "open":
            return
        self.take(self.table.peers.lane((SendReady if ready else SendBlocked)(node(index), lane)))

    @rule(
        index=st.sampled_from(PEERS), what=st.sampled_from([hello, hello, hello, lambda _: Ping(1), lambda _: Pong(1)])
    )
    def receive(self, index: int, what: object) -> None:
        if index in self.links:
            outcomes = self.table.receive(index, what(index), self.now)  # type: ignore[operator]
            self.take([o for o in outcomes if type(o).__name__ != "Received"])

    # What the DHT does.

    @precondition(lambda self: self.searches)
    @rule(data=st.data(), known=st.booleans())
    def found(self, data: st.DataObject, known: bool) -> None:
        token = data.draw(st.sampled_from(sorted(self.searches)))
        peer = self.searches.pop(token)
        info = peer_info(INDEX[peer]) if known else None
        self.take(self.table.peers.found(PeerFound(token, peer, info), self.now))

    @rule(seconds=st.sampled_from([0.1, 1.0, 6.0, 31.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.take(self.table.peers.tick(self.now))

    def gone(self, index: int) -> None:
        for lane in Lane:
            self.arrived.pop((index, lane), None)

    # What must hold.

    @invariant()
    def each_token_is_answered_at_most_once(self) -> None:
        assert not self.answers or max(self.answers.values()) == 1

    @invariant()
    def a_lane_of_a_connection_keeps_its_order(self) -> None:
        for tokens in self.arrived.values():
            assert tokens == sorted(tokens)

    @invariant()
    def status_and_pool_agree_with_what_services_were_told(self) -> None:
        assert {INDEX[status.node_id] for status in self.table.peers.status()} == self.up
        assert self.table.peers.pool_stats().size <= POOL.max_size

    def teardown(self) -> None:
        """Everything that is open ends, and then nothing is left."""
        for _ in range(20):
            for number in sorted(self.dials):
                del self.dials[number]
                self.take(self.table.peers.dial_failed(DialFailed(number, UNREACHABLE, "the end"), self.now))
            for token in sorted(self.searches):
                peer = self.searches.pop(token)
                self.take(self.table.peers.found(PeerFound(token, peer, None), self.now))
            for index in sorted(self.links):
                del self.links[index]
                self.gone(index)
                self.take(self.table.peers.lost(PeerLost(node(index), "idle", "the end"), self.now))
            if not (self.dials or self.searches or self.links):
                break
        assert self.up == set()
        assert self.addresses == {}
        assert sorted(self.answers) == sorted(self.asked)
        self.each_token_is_answered_at_most_once()
        assert vars(self.table.peers)["_peers"] == {}
        assert vars(self.table.peers)["_address_dials"] == set()
        assert vars(self.table.dialer)["_attempts"] == {}
        assert vars(self.table.dialer)["_under_way"] == {}
        assert self.table.peers.next_deadline() is None


Connections.TestCase.settings = settings(max_examples=300, stateful_step_count=60)
TestConnections = Connections.TestCase
