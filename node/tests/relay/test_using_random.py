"""Whatever relays and peers do: every wait for a relay ends once, and nothing is held that is not given back."""

from __future__ import annotations

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from macula.core.effects import LeaveRelay, SetPath, UseRelay
from macula.core.events import PathMoved, PeerSuspect, Tick
from macula.core.requests import Hold, NameRelays, PeerDown, ReachVia, RelaysReady, Release, SendFailed
from macula.core.route import Relayed
from macula.identity import NodeId
from macula.relay.settings import UseSettings
from macula.wire.messages import Pong, RelayDrain, RelayGrant, RelayRefuse

from .alone import node
from .test_using import User, at, of, place

RELAYS = st.integers(1, 4)
PEERS = st.integers(5, 7)


class RandomRelays(RuleBasedStateMachine):
    """One user, four relays, three peers behind them."""

    def __init__(self) -> None:
        super().__init__()
        self.user = User()
        self.asked = 0
        self.up: set[int] = set()

    @rule(relay=RELAYS, far=st.floats(0.001, 0.3))
    def relay_up(self, relay: int, far: float) -> None:
        if relay not in self.up:
            self.up.add(relay)
            self.user.up(relay, far=far)

    @rule(peer=PEERS, relay=RELAYS, names=st.lists(RELAYS, max_size=2, unique=True))
    def peer_up(self, peer: int, relay: int, names: list[int]) -> None:
        if peer not in self.up:
            self.up.add(peer)
            self.user.peer(peer, relay, *names)

    @rule(who=RELAYS | PEERS)
    def down(self, who: int) -> None:
        if who in self.up:
            self.up.discard(who)
            self.user.tell(PeerDown(node(who), "idle", ""))

    @rule(who=RELAYS | PEERS, suspect=st.booleans())
    def suspect(self, who: int, suspect: bool) -> None:
        if who in self.up:
            self.user.tell(PeerSuspect(node(who), suspect))

    @rule(relay=RELAYS, session=st.integers(0, 9), lifetime=st.integers(1, 200), lie=st.booleans())
    def granted(self, relay: int, session: int, lifetime: int, lie: bool) -> None:
        number, _ = self.user.requests.get(relay, (0, None))
        request = number + 1 if lie else number
        self.user.say(relay, RelayGrant(request, session.to_bytes(8, "big"), bytes(32), lifetime, 1000))

    @rule(relay=RELAYS)
    def refused(self, relay: int) -> None:
        self.user.say(relay, RelayRefuse(self.user.requests.get(relay, (0, None))[0], "quota", ""))

    @rule(relay=RELAYS, seconds=st.integers(0, 5))
    def drained(self, relay: int, seconds: int) -> None:
        self.user.say(relay, RelayDrain(seconds))

    @rule(relay=RELAYS)
    def not_sent(self, relay: int) -> None:
        token = self.user.requests.get(relay, (0, None))[1]
        self.user.tell(SendFailed(token or 0, node(relay), "disconnected", ""))

    @rule(relay=RELAYS, request=st.integers(0, 20))
    def pong(self, relay: int, request: int) -> None:
        self.user.say(relay, Pong(request))

    @rule(peer=PEERS, relays=st.lists(RELAYS, max_size=3))
    def reach(self, peer: int, relays: list[int]) -> None:
        self.asked += 1
        self.user.tell(ReachVia(self.asked, node(peer), tuple(place(relay) for relay in relays)))

    @rule(peer=PEERS, relay=RELAYS | st.none())
    def moved(self, peer: int, relay: int | None) -> None:
        route = at(peer) if relay is None else Relayed(node(relay), node(peer))
        self.user.tell(PathMoved(node(peer), route))

    @rule(seconds=st.floats(0.0, 100.0))
    def wait(self, seconds: float) -> None:
        until = self.user.now + seconds
        for _ in range(1000):
            at_ = self.user.user.next_deadline()
            if at_ is None or at_ > until:
                break
            self.user.now = max(self.user.now, at_)
            self.user.tell(Tick())
        else:
            raise AssertionError("a deadline passes without effect")
        self.user.now = until

    @invariant()
    def nobody_is_answered_twice(self) -> None:
        answers = Counter(ready.token for ready in of(RelaysReady, self.user.done))
        assert all(count == 1 for count in answers.values())
        assert len(answers) + len(self.user.user._waiting) == self.asked

    @invariant()
    def sessions_are_taken_and_left_in_turn_and_bounded(self) -> None:
        held: set[NodeId] = set()
        for action in self.user.done:
            match action:
                case UseRelay(relay=relay):
                    held.add(relay)
                case LeaveRelay(relay):
                    held.remove(relay)
        assert held == set(self.user.user._sessions)
        assert len(held) <= UseSettings().max_sessions
        holds = Counter(hold.peer for hold in of(Hold, self.user.done))
        holds.subtract(release.peer for release in of(Release, self.user.done))
        assert {peer for peer, count in holds.items() if count} == held

    @invariant()
    def only_relays_with_a_session_are_named_or_moved_to(self) -> None:
        last = [relays.relays for relays in of(NameRelays, self.user.done)][-1:]
        assert {relay.node for relays in last for relay in relays} <= set(self.user.user._sessions)
        for path in of(SetPath, self.user.done[-3:]):
            assert isinstance(path.route, Relayed) and path.route.peer == path.peer

    def teardown(self) -> None:
        for who in list(self.up):
            self.down(who)
        self.wait(1000.0)
        assert not self.user.user._waiting and not list(self.user.user._sessions)


RandomRelays.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestRandomRelays = RandomRelays.TestCase
