"""Which relays a node uses, what it tells others of them, and how it gets away from one that fails."""

from __future__ import annotations

import itertools
from typing import TypeVar

import pytest
from msgspec.structs import replace

from macula.core.address import Address
from macula.core.effects import LeaveRelay, SetPath, UseRelay
from macula.core.events import PathMoved, PeerSuspect, Tick
from macula.core.peer_record import RelayPlace
from macula.core.requests import (
    Hold,
    LearnAddress,
    NameRelays,
    PeerDown,
    ReachVia,
    Received,
    Redial,
    RelaysReady,
    Release,
    SendFailed,
    SendTo,
)
from macula.core.route import Relayed
from macula.core.service import Action
from macula.relay.settings import UseSettings
from macula.relay.using import RelayUser
from macula.wire.messages import Message, Ping, Pong, RelayDrain, RelayGrant, RelayRefuse, RelayReserve

from .alone import node
from .mesh import WALL, peer_up

SELF, R1, R2, R3, PEER = 0, 1, 2, 3, 4
LIFE = 100
A = TypeVar("A")


def at(index: int) -> Address:
    return Address(f"10.0.0.{index}", 9443)


def place(index: int) -> RelayPlace:
    return RelayPlace(node(index), at(index))


def of(kind: type[A], actions: list[Action]) -> list[A]:
    return [action for action in actions if isinstance(action, kind)]


class User:
    """One user of relays. Relay N answers pings after N ms, and requests as asked to."""

    def __init__(self, *, wants_homes: bool = True, allowed: bool = True) -> None:
        self.now = 0.0
        self.user = RelayUser(
            UseSettings(), node(SELF), wants_homes=wants_homes, allowed=allowed, tokens=itertools.count(100)
        )
        self.requests: dict[int, tuple[int, int | None]] = {}
        self.done: list[Action] = []

    def tell(self, event: object) -> list[Action]:
        actions = self.user.handle(event, self.now, WALL + self.now)  # type: ignore[arg-type]
        self.done += actions
        for send in of(SendTo, actions):
            if isinstance(send.message, RelayReserve):
                index = next(number for number in range(250) if node(number) == send.peer)
                self.requests[index] = (send.message.request, send.token)
        return actions

    def say(self, peer: int, message: Message) -> list[Action]:
        return self.tell(Received(node(peer), message))

    def up(
        self, relay: int, *, far: float | None = None, seen: Address | None = None, named: tuple[Address, ...] = ()
    ) -> list[Action]:
        """A relay is connected, and answers the ping. It is seen at one address and names these."""
        up = peer_up(relay)
        hello = replace(up.hello, capabilities=("relay",))
        info = replace(up.info, addresses=named or (at(relay),))
        actions = self.tell(replace(up, hello=hello, route=seen or at(relay), info=info))
        pings = [send for send in of(SendTo, actions) if isinstance(send.message, Ping)]
        return actions + [more for ping in pings for more in self.pong(ping, relay / 1000 if far is None else far)]

    def pong(self, ping: SendTo, after: float) -> list[Action]:
        assert isinstance(ping.message, Ping)
        self.now += after
        return self.tell(Received(ping.peer, Pong(ping.message.request)))

    def grant(self, relay: int, session: int | None = None) -> list[Action]:
        number, _ = self.requests.pop(relay)
        id_ = (relay if session is None else session).to_bytes(8, "big")
        return self.say(relay, RelayGrant(number, id_, bytes(32), LIFE, 1000))

    def with_homes(self) -> User:
        for relay in (R1, R2):
            self.up(relay)
            self.grant(relay)
        return self

    def peer(self, index: int, relay: int, *names: int) -> list[Action]:
        """A peer is connected through a relay; its record names these."""
        up = peer_up(index)
        info = replace(up.info, relays=tuple(place(name) for name in names))
        return self.tell(replace(up, route=Relayed(node(relay), node(index)), info=info))


def reserved(actions: list[Action]) -> list[tuple[object, bytes]]:
    return [(send.peer, send.message.session) for send in of(SendTo, actions) if isinstance(send.message, RelayReserve)]


def test_two_relays_become_homes_and_are_named() -> None:
    user = User()
    assert reserved(user.up(R1)) == [(node(R1), b"")]
    granted = user.grant(R1)
    assert UseRelay(node(R1), (1).to_bytes(8, "big"), bytes(32)) in granted and Hold(node(R1)) in granted
    assert of(NameRelays, granted) == [NameRelays((place(R1),))]
    assert reserved(user.up(R2)) == [(node(R2), b"")]
    assert of(NameRelays, user.grant(R2)) == [NameRelays((place(R1), place(R2)))]
    assert reserved(user.up(R3)) == []


def test_a_node_that_is_reachable_or_uses_no_relays_has_none() -> None:
    for user in (User(wants_homes=False), User(allowed=False)):
        assert user.up(R1) == []
    assert User(allowed=False).tell(ReachVia(9, node(PEER), (place(R1),))) == [RelaysReady(9, ())]


def test_a_relay_that_is_nearer_by_enough_takes_the_place_of_the_farthest() -> None:
    user = User()
    for relay, far in ((R1, 0.05), (R2, 0.1)):
        user.up(relay, far=far)
        user.grant(relay)
    user.up(R3, far=0.01)
    user.now = user.user._homes.next_deadline() or 0.0
    assert (node(R3), b"") in reserved(user.tell(Tick()))
    assert list(user.user.named) == [place(R1)]
    user.grant(R3)
    assert list(user.user.named) == [place(R1), place(R3)]


def test_sessions_are_renewed_at_half_of_their_life() -> None:
    user = User().with_homes()
    user.now += LIFE / 2
    renewed = user.tell(Tick())
    assert reserved(renewed) == [(node(R1), (1).to_bytes(8, "big")), (node(R2), (2).to_bytes(8, "big"))]
    before = len(user.done)
    user.grant(R1)
    user.grant(R2)
    assert user.done[before:] == [], "nothing changes"


def test_a_relay_that_is_gone_is_replaced_and_its_connections_move() -> None:
    user = User().with_homes()
    user.up(R3)
    user.peer(PEER, R1, R1, R2)
    actions = user.tell(PeerDown(node(R1), "idle", "died"))
    assert of(SetPath, actions) == [SetPath(node(PEER), Relayed(node(R2), node(PEER)))]
    assert LeaveRelay(node(R1)) in actions and Release(node(R1)) in actions
    assert reserved(actions) == [(node(R3), b"")]
    assert of(NameRelays, actions) == [NameRelays((place(R2),))]
    assert of(NameRelays, user.grant(R3)) == [NameRelays((place(R2), place(R3)))]


def test_a_relay_that_is_gone_while_it_is_asked_is_asked_again_when_it_is_back() -> None:
    user = User().with_homes()
    user.now += LIFE / 2
    assert [relay for relay, _ in reserved(user.tell(Tick()))] == [node(R1), node(R2)], "the sessions are renewed"
    user.tell(ReachVia(9, node(PEER), (place(R3),)))
    user.tell(PeerDown(node(R1), "lost", "this node was paused"))
    assert RelaysReady(9, ()) in user.tell(PeerDown(node(R3), "lost", "")), "who waits for it need not wait longer"
    assert (node(R1), b"") in reserved(user.up(R1))
    user.grant(R1)
    user.now += UseSettings().ask_timeout
    assert place(R1) in user.user.named, "it is no bad home"


def test_a_relay_that_stops_is_left_before_it_does() -> None:
    user = User().with_homes()
    user.up(R3)
    user.peer(PEER, R1, R1, R2)
    actions = user.say(R1, RelayDrain(1))
    assert of(SetPath, actions) == [SetPath(node(PEER), Relayed(node(R2), node(PEER)))]
    assert reserved(actions) == [(node(R3), b"")]
    assert not of(LeaveRelay, actions), "what is on its way still arrives"
    user.grant(R3)
    assert user.user.named == (place(R2), place(R3))
    assert LeaveRelay(node(R1)) in user.tell(PeerDown(node(R1), "going_away", ""))


def test_a_suspect_peer_is_sought_through_the_next_relay_again_and_again() -> None:
    user = User().with_homes()
    user.peer(PEER, R1, R1, R2)
    told = [user.tell(PeerSuspect(node(PEER), True)) for _ in range(3)]
    paths = [of(SetPath, actions)[0].route for actions in told]
    assert [route.relay for route in paths if isinstance(route, Relayed)] == [node(R2), node(R1), node(R2)]
    assert [len(of(Redial, actions)) for actions in told] == [0, 1, 1], "it may have started anew"
    user.tell(PeerSuspect(node(PEER), False))
    assert not of(Redial, user.tell(PeerSuspect(node(PEER), True)))
    user.tell(PathMoved(node(PEER), at(PEER)))
    assert user.tell(PeerSuspect(node(PEER), True)) == [], "what is direct is not for relays to mend"


def test_a_suspect_peer_with_no_other_relay_is_dialed_anew() -> None:
    user = User(wants_homes=False)
    user.tell(ReachVia(9, node(PEER), (place(R1),)))
    user.grant(R1)
    user.peer(PEER, R1, R1)
    assert user.tell(PeerSuspect(node(PEER), True)) == [Redial(node(PEER))]


def test_connections_leave_a_relay_that_does_not_answer() -> None:
    user = User().with_homes()
    user.peer(PEER, R1, R2)
    moves = of(SetPath, user.tell(PeerSuspect(node(R1), True)))
    assert moves == [SetPath(node(PEER), Relayed(node(R2), node(PEER)))]
    assert not of(SetPath, user.tell(PeerSuspect(node(PEER), True))), "not back to it"
    user.tell(PeerSuspect(node(R1), False))


def test_a_peer_at_other_relays_is_reached_by_a_session_there() -> None:
    user = User(wants_homes=False)
    asked = user.tell(ReachVia(9, node(PEER), (place(R1), place(R2))))
    assert of(LearnAddress, asked) == [LearnAddress(*place(R1)), LearnAddress(*place(R2))]
    assert reserved(asked) == [(node(R1), b""), (node(R2), b"")] and not of(RelaysReady, asked)
    assert of(RelaysReady, user.grant(R2)) == [RelaysReady(9, (node(R2),))]
    assert not of(RelaysReady, user.grant(R1))
    again = user.tell(ReachVia(17, node(PEER), (place(R1), place(R2))))
    assert again == [RelaysReady(17, (node(R1), node(R2)))]


def test_a_session_for_others_ends_when_nobody_needs_it() -> None:
    user = User(wants_homes=False)
    user.tell(ReachVia(9, node(PEER), (place(R1),)))
    user.grant(R1)
    user.peer(PEER, R1, R1)
    user.now += LIFE / 2
    assert reserved(user.tell(Tick())) == [(node(R1), (1).to_bytes(8, "big"))]
    user.grant(R1)
    user.tell(PeerDown(node(PEER), "idle", ""))
    before = len(user.done)
    while user.user.next_deadline() is not None:
        user.now = user.user.next_deadline() or 0.0
        user.tell(Tick())
    rest = user.done[before:]
    assert reserved(rest) == [] and of(LeaveRelay, rest) == [LeaveRelay(node(R1))]


def test_a_relay_that_refuses_or_is_silent_or_out_of_reach_ends_the_wait() -> None:
    user = User(wants_homes=False)
    user.tell(ReachVia(9, node(PEER), (place(R1), place(R2))))
    assert of(RelaysReady, user.say(R1, RelayRefuse(user.requests[R1][0], "quota", ""))) == []
    assert of(RelaysReady, user.tell(SendFailed(user.requests[R2][1] or 0, node(R2), "disconnected", ""))) == [
        RelaysReady(9, ())
    ]
    user.tell(ReachVia(17, node(PEER), (place(R1),)))
    user.now += UseSettings().ask_timeout
    assert of(RelaysReady, user.tell(Tick())) == [RelaysReady(17, ())]


def test_what_was_not_asked_for_is_not_taken() -> None:
    user = User()
    user.up(R1)
    number, _ = user.requests[R1]
    assert user.say(R1, RelayGrant(number + 1, bytes(8), bytes(32), LIFE, 1)) == []
    assert user.say(R2, RelayGrant(number, bytes(8), bytes(32), LIFE, 1)) == []
    assert user.say(R2, RelayRefuse(number, "quota", "")) == []
    assert user.say(R2, Pong(1)) == []
    user.grant(R1)
    assert user.say(R1, RelayGrant(number, bytes(8), bytes(32), LIFE, 1)) == [], "nor twice"
    user.say(R2, RelayDrain(0))
    assert user.user.named == (place(R1),)


def test_sessions_and_waiting_are_bounded() -> None:
    user = User(wants_homes=False)
    for number in range(200):
        user.tell(ReachVia(number, node(PEER), (place(5 + number % 30), RelayPlace(node(40 + number), at(1)))))
    assert len(user.user._sessions._asked) == UseSettings().max_sessions


def test_the_node_itself_and_the_peer_are_no_relays_for_it() -> None:
    user = User()
    assert user.tell(ReachVia(9, node(PEER), (place(SELF), place(PEER)))) == [RelaysReady(9, ())]


@pytest.mark.parametrize(
    ("seen", "named", "told"),
    [
        (at(1), (at(2), at(1)), at(1)),
        (at(1), (at(2), at(3)), at(2)),
        (at(2).tunnel(443), (at(2), at(2).tunnel(443)), at(2)),
        (at(2).tunnel(443), (at(2).tunnel(443),), at(2).tunnel(443)),
    ],
)
def test_a_relay_is_named_where_others_find_it(seen: Address, named: tuple[Address, ...], told: Address) -> None:
    user = User()
    user.up(R1, seen=seen, named=named)
    user.grant(R1)
    assert list(user.user.named) == [RelayPlace(node(R1), told)]


def test_a_session_at_a_relay_that_does_not_answer_is_used_if_there_is_no_other() -> None:
    user = User().with_homes()
    user.tell(PeerSuspect(node(R1), True))
    both = (place(R1), place(R2))
    assert user.tell(ReachVia(9, node(PEER), both)) == [RelaysReady(9, (node(R2),))]
    user.tell(PeerSuspect(node(R2), True))
    assert user.tell(ReachVia(17, node(PEER), both)) == [RelaysReady(17, (node(R1), node(R2)))]
