from __future__ import annotations

from macula.core.address import Address
from macula.core.effects import Trace
from macula.core.events import PeerConnected
from macula.core.route import Relayed, Route
from macula.engine.crowd import Crowd
from macula.engine.peers import Outcome
from macula.engine.settings import PoolSettings
from macula.wire import codes

from .playbook import Table, closes, hello, node


def at(host: str) -> Route:
    return Address(host, 9443)


def test_one_network_takes_no_more_than_its_places_and_gets_them_back() -> None:
    crowd = Crowd(2)
    assert [crowd.enter(node(1), at("8.8.8.1")), crowd.enter(node(2), at("8.8.8.254"))] == [True, True]
    assert not crowd.enter(node(3), at("8.8.8.3"))
    assert crowd.enter(node(4), at("8.8.9.3"))
    crowd.leave(node(1))
    crowd.leave(node(1))
    crowd.leave(node(9))
    assert crowd.enter(node(3), at("8.8.8.3")) and not crowd.enter(node(5), at("8.8.8.5"))


def test_ipv6_counts_by_its_56() -> None:
    crowd = Crowd(1)
    assert crowd.enter(node(1), at("2a00:1450:4001:800::1"))
    assert not crowd.enter(node(2), at("2a00:1450:4001:8ff::2"))
    assert crowd.enter(node(3), at("2a00:1450:4001:900::1"))


def test_private_networks_and_relays_are_not_counted() -> None:
    crowd = Crowd(1)
    routes = [at("10.0.0.1"), at("10.0.0.2"), at("127.0.0.1"), at("fd00::1"), Relayed(node(8), node(9))] * 2
    assert all(crowd.enter(node(number), route) for number, route in enumerate(routes))


def test_one_peer_too_many_of_a_network_is_refused_as_busy_and_a_place_is_free_again() -> None:
    table = Table(PoolSettings(max_per_network=2))

    def connect(index: int, host: str, dial: int | None = None) -> list[Outcome]:
        return table.peers.connected(PeerConnected(node(index), at(host), dial), 0.0)

    for index in (1, 2):
        assert not closes(connect(index, "8.8.8.8"))
        table.receive(index, hello(index))
    refused = connect(3, "8.8.8.9")
    assert closes(refused) == [(node(3), codes.BUSY)]
    assert [trace.name for trace in refused if isinstance(trace, Trace)] == ["peer.refused"]
    assert table.lose(3) == []
    assert not closes(connect(4, "8.8.8.8", dial=7)), "this node dialed it"
    assert not closes(connect(1, "8.8.8.8")), "one that comes again keeps its place"
    table.lose(2)
    assert not closes(connect(3, "8.8.8.9"))
