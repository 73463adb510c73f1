"""Who gets a session at a relay, and for how long."""

from __future__ import annotations

import random

from msgspec.structs import replace

from macula.core.address import Address
from macula.core.effects import EndClient, ServeClient, Trace
from macula.core.events import PathMoved, Tick
from macula.core.requests import Draining, PeerDown, Received, SendTo
from macula.core.route import Relayed, Route
from macula.core.service import Action
from macula.relay.granting import RelayGranter
from macula.relay.settings import RelaySettings
from macula.wire import codes
from macula.wire.messages import Message, RelayDrain, RelayGrant, RelayRefuse, RelayReserve

from .alone import node
from .mesh import WALL, identity, peer_up

HERE = 0


class Relay:
    """One granter, told events by hand. Peer N is at 10.0.N.1 unless said otherwise."""

    def __init__(self, *, enabled: bool = True, **limits: int) -> None:
        self.settings = RelaySettings(**limits)
        self.granter = RelayGranter(self.settings, identity(HERE), enabled, random.Random(1))
        self.now = 0.0

    def tell(self, event: object) -> list[Action]:
        return self.granter.handle(event, self.now, WALL + self.now)  # type: ignore[arg-type]

    def up(self, peer: int, route: Route | None = None) -> None:
        assert self.tell(replace(peer_up(peer), route=route or Address(f"10.0.{peer}.1", 9443))) == []

    def ask(self, peer: int, session: bytes = b"", request: int = 7) -> tuple[Message, list[Action]]:
        """The answer, and what else is done."""
        actions = self.tell(Received(node(peer), RelayReserve(request, session)))
        (answer,) = [action for action in actions if isinstance(action, SendTo)]
        assert answer.peer == node(peer)
        return answer.message, [action for action in actions if not isinstance(action, SendTo | Trace)]

    def grant(self, peer: int, session: bytes = b"") -> RelayGrant:
        answer, _ = self.ask(peer, session)
        assert isinstance(answer, RelayGrant)
        return answer

    def refusal(self, peer: int) -> str:
        answer, others = self.ask(peer)
        assert isinstance(answer, RelayRefuse) and answer.request == 7 and not others
        return answer.code


def test_a_peer_gets_a_session_of_its_own() -> None:
    relay = Relay()
    relay.up(1)
    relay.up(2)
    answer, others = relay.ask(1)
    assert isinstance(answer, RelayGrant)
    settings = relay.settings
    assert answer == RelayGrant(7, answer.session, answer.key, settings.lifetime, settings.rate)
    assert others == [ServeClient(node(1), answer.session, answer.key, settings.rate)]
    second = relay.grant(2)
    assert second.key != answer.key and second.session != answer.session


def ended(number: int) -> Trace:
    return Trace("relay.ended", {"peer": node(number)}, f"connection.relay {node(number)}", {"sessions": 0})


def test_a_session_is_renewed_with_its_key_and_else_ends_with_its_lifetime() -> None:
    relay = Relay(lifetime=100)
    relay.up(1)
    first = relay.grant(1)
    relay.now = 60.0
    answer, others = relay.ask(1, first.session)
    assert answer == first and others == []
    relay.now = 100.0
    assert relay.tell(Tick()) == [] and relay.granter.next_deadline() == 160.0
    relay.now = 160.0
    assert relay.tell(Tick()) == [EndClient(node(1)), ended(1)]
    assert relay.granter.clients == 0 and relay.granter.next_deadline() is None


def test_who_asks_anew_has_lost_the_old_one() -> None:
    relay = Relay()
    relay.up(1)
    first = relay.grant(1)
    answer, others = relay.ask(1, b"whatever")
    assert isinstance(answer, RelayGrant) and answer.session != first.session
    assert [type(other) for other in others] == [EndClient, ServeClient]
    assert relay.granter.clients == 1


def test_a_session_ends_with_its_client() -> None:
    relay = Relay()
    relay.up(1)
    relay.grant(1)
    assert relay.tell(PeerDown(node(1), "idle", "")) == [EndClient(node(1)), ended(1)]
    assert relay.tell(Received(node(1), RelayReserve(1, b""))) == [], "who is gone is not answered"


def test_refusals() -> None:
    off = Relay(enabled=False)
    off.up(1)
    assert off.refusal(1) == codes.NOT_SERVING

    relay = Relay(max_clients=2)
    for peer in (1, 2, 3):
        relay.up(peer)
    relay.grant(1)
    relay.grant(2)
    assert relay.refusal(3) == codes.QUOTA
    relay.tell(PeerDown(node(1), "idle", ""))
    relay.grant(3)

    relayed = Relay()
    relayed.up(1, Relayed(node(5), node(1)))
    assert relayed.refusal(1) == codes.NO_ROUTE
    relayed.tell(PathMoved(node(1), Address("10.0.1.1", 1)))
    relayed.grant(1)


def test_one_network_gets_no_more_than_its_share() -> None:
    relay = Relay(max_network=2)
    for peer in (1, 2, 3):
        relay.up(peer, Address(f"192.0.2.{peer}", 1))
    relay.up(4)
    relay.grant(1)
    relay.grant(2)
    assert relay.refusal(3) == codes.QUOTA
    relay.grant(4)
    relay.tell(PeerDown(node(1), "idle", ""))
    relay.grant(3)


def test_a_hundred_thousand_requests_of_one_peer_are_one_session_and_mostly_refused() -> None:
    relay = Relay()
    relay.up(1)
    served = refused = 0
    for number in range(100_000):
        relay.now = number / 10_000
        answer, _ = relay.ask(1, request=number)
        served += isinstance(answer, RelayGrant)
        refused += isinstance(answer, RelayRefuse) and answer.code == codes.BUSY
    assert served + refused == 100_000
    assert served <= 8 + 10 * relay.settings.request_rate + 1
    assert relay.granter.clients == len(relay.granter._networks) == 1


def test_clients_of_a_relay_that_stops_are_told_and_get_time() -> None:
    relay = Relay()
    relay.up(1)
    relay.up(2)
    assert relay.granter.drained
    relay.grant(1)
    told = relay.tell(Draining())
    assert [(send.peer, send.message) for send in told if isinstance(send, SendTo)] == [(node(1), RelayDrain(1))]
    assert not relay.granter.drained
    assert relay.refusal(2) == codes.GOING_AWAY
    relay.now = relay.granter.next_deadline() or 0.0
    assert relay.now == relay.settings.drain_time
    relay.tell(Tick())
    assert relay.granter.drained and (relay.granter.next_deadline() or 0.0) > relay.now
