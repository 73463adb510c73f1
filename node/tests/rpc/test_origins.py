from __future__ import annotations

from macula.core.address import Address
from macula.core.route import Relayed
from macula.identity import NodeId
from macula.rpc.origins import Origins

from .playbook import node

ALICE, BOB, RELAY = node(1), node(2), node(3)


def at(host: str) -> Address:
    return Address(host, 9443)


def test_a_network_is_full_when_as_many_run_for_all_its_callers() -> None:
    origins = Origins(2)

    def network(who: NodeId) -> bytes:
        found = origins.network(who)
        assert found is not None
        return found

    for who, host in ((ALICE, "8.8.8.8"), (BOB, "8.8.8.9")):
        origins.reached(who, at(host))
        assert not origins.is_full(network(who))
        origins.started(network(who))
    assert origins.is_full(network(ALICE))
    origins.reached(ALICE, at("8.8.4.4"))
    assert not origins.is_full(network(ALICE)), "it has moved"
    origins.ended(network(BOB))
    assert not origins.is_full(network(BOB))


def test_private_addresses_relayed_callers_and_unknown_ones_count_for_no_network() -> None:
    origins = Origins(1)
    origins.reached(ALICE, at("8.8.8.8"))
    for route in (at("10.0.0.1"), Relayed(RELAY, ALICE), None):
        origins.reached(ALICE, route)
        assert origins.network(ALICE) is None
    origins.reached(ALICE, at("8.8.8.8"))
    origins.gone(ALICE)
    assert origins.network(ALICE) is None
