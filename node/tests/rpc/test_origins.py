from __future__ import annotations

from macula.core.address import Address
from macula.core.route import Relayed
from macula.rpc.origins import Origins

from .playbook import node

ALICE, BOB, RELAY = node(1), node(2), node(3)


def at(host: str) -> Address:
    return Address(host, 9443)


def test_a_network_is_full_when_as_many_run_for_all_its_callers() -> None:
    origins = Origins(2)
    for who, host in ((ALICE, "8.8.8.8"), (BOB, "8.8.8.9")):
        origins.reached(who, at(host))
        network = origins.network(who)
        assert network is not None and not origins.is_full(network)
        origins.started(network)
    assert origins.is_full(origins.network(ALICE))
    origins.reached(ALICE, at("8.8.4.4"))
    assert not origins.is_full(origins.network(ALICE)), "it has moved"
    origins.ended(network)
    assert not origins.is_full(origins.network(BOB))


def test_private_addresses_relayed_callers_and_unknown_ones_count_for_no_network() -> None:
    origins = Origins(1)
    origins.reached(ALICE, at("8.8.8.8"))
    for route in (at("10.0.0.1"), Relayed(RELAY, ALICE), None):
        origins.reached(ALICE, route)
        assert origins.network(ALICE) is None
    for _ in range(2):
        origins.started(None)
    assert not origins.is_full(None)
    origins.ended(None)
    origins.reached(ALICE, at("8.8.8.8"))
    origins.gone(ALICE)
    assert origins.network(ALICE) is None
