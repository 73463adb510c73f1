"""What each topology is expected to be able to do, told from the file alone."""

import re
from dataclasses import replace

import pytest

from macula_lab.composefile.load import load
from macula_lab.composefile.plan import Plan
from macula_lab.mesh.expectation import Call, Expectation, Path, expect, profiles
from macula_lab.workspace import COMPOSE, topologies


def expected(topology: str, **variables: str) -> Expectation:
    plan = plan_of(topology, **variables)
    return expect(plan, profiles(plan))


def plan_of(topology: str, **variables: str) -> Plan:
    return load(COMPOSE / f"{topology}.yaml", variables)


def paths(expectation: Expectation) -> dict[tuple[str, str], str]:
    return {(call.caller, call.provider): str(call.path) for call in expectation.calls}


NAT_PAIR = {
    ("edge_a", "bootstrap"): "direct",
    ("edge_b", "bootstrap"): "direct",
    ("edge_a", "edge_b"): "relayed",
    ("edge_b", "edge_a"): "relayed",
}


DIRECT_PAIR = NAT_PAIR | {("edge_a", "edge_b"): "direct", ("edge_b", "edge_a"): "direct"}


@pytest.mark.parametrize("nat", ["port_restricted", "symmetric", "corporate", "cgnat"])
def test_behind_nats_edges_call_the_bootstrap_directly_and_each_other_through_a_relay(nat: str) -> None:
    expectation = expected("nat-pair", NAT_A=nat, NAT_B="symmetric")

    assert paths(expectation) == NAT_PAIR
    assert expectation.cut_off == {}
    assert expectation.members == {"bootstrap": 1, "gateway": 1, "edge_a": 1, "edge_b": 1}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("full_cone", "symmetric"),
        ("none", "symmetric"),
        ("restricted", "symmetric"),
        ("port_restricted", "port_restricted"),
        ("port_restricted", "symmetric_sequential"),
        ("symmetric_sequential", "symmetric_sequential"),
    ],
)
def test_where_their_nats_allow_it_edges_meet(first: str, second: str) -> None:
    assert paths(expected("nat-pair", NAT_A=first, NAT_B=second)) == DIRECT_PAIR
    assert paths(expected("nat-pair", NAT_A=second, NAT_B=first)) == DIRECT_PAIR


def test_a_reachable_edge_without_nat_is_dialed_by_the_other() -> None:
    expectation = expected("nat-pair", NAT_A="none", REACHABLE_A="yes")

    assert paths(expectation) == NAT_PAIR | {("edge_a", "edge_b"): "direct", ("edge_b", "edge_a"): "direct"}
    # The edge serves the DHT now: everybody who serves it too gets to know it.
    assert expectation.members == {"bootstrap": 2, "gateway": 2, "edge_a": 2, "edge_b": 1}


def test_an_edge_that_only_says_that_it_is_reachable_is_not() -> None:
    expectation = expected("nat-pair", NAT_A="symmetric", NAT_B="symmetric", REACHABLE_A="yes")

    assert paths(expectation) == NAT_PAIR
    assert expectation.members["gateway"] == 1


@pytest.mark.parametrize("tcp", ["allow", "443-only"])
def test_without_udp_an_edge_joins_over_tcp_and_is_reached_through_relays(tcp: str) -> None:
    expectation = expected("udp-blocked", NAT_A=f"port_restricted,udp=blocked,tcp={tcp}")

    assert paths(expectation) == NAT_PAIR
    assert expectation.cut_off == {}
    assert expectation.members == {"bootstrap": 1, "gateway": 1, "edge_a": 1, "edge_b": 1}
    assert expectation.hidden == {"edge_a", "edge_b"}


@pytest.mark.parametrize("policy", ["blocked", "rejected"])
def test_without_udp_and_tcp_an_edge_is_cut_off_and_the_reason_names_the_router(policy: str) -> None:
    expectation = expected("udp-blocked", NAT_A=f"port_restricted,udp={policy}", TCP_A="false")

    assert set(expectation.members) == {"bootstrap", "gateway", "edge_b"}
    (edge, reason), *others = expectation.cut_off.items()
    assert (edge, others) == ("edge_a", [])
    assert re.search(rf"nat_a lets no UDP out \(udp={policy}\)", reason)
    assert paths(expectation) == {
        ("edge_a", "bootstrap"): "none",
        ("edge_b", "bootstrap"): "direct",
        ("edge_a", "edge_b"): "none",
        ("edge_b", "edge_a"): "none",
    }


def test_entries_that_take_no_tcp_let_nobody_in_by_it() -> None:
    plan = plan_of("udp-blocked")
    entries = {name: plan.services[name] for name in ("bootstrap", "gateway")}
    deaf = {name: replace(one, environment={**one.environment, "MACULA_TCP": "false"}) for name, one in entries.items()}
    plan = replace(plan, services={**plan.services, **deaf})

    assert set(expect(plan, profiles(plan)).cut_off) == {"edge_a"}


def test_a_nat_of_the_carrier_without_udp_does_not_cut_its_homes_off() -> None:
    expectation = expected("cgnat", NAT_CGN="cgnat,udp=blocked")

    assert expectation.cut_off == {}
    assert set(paths(expectation).items()) > set(list(NAT_PAIR.items())[:3])


def test_where_everybody_is_reachable_everybody_knows_everybody() -> None:
    for topology, nodes in (("mesh", 5), ("multi-hop", 5), ("regions", 8)):
        expectation = expected(topology)

        assert set(expectation.members.values()) == {nodes - 1}
        assert {call.path for call in expectation.calls} == {Path.DIRECT}


def test_edges_of_one_region_meet_within_it_and_others_by_what_their_nats_allow() -> None:
    expectation = expected("regions", NAT_EU="home", NAT_US="home", NAT_ASIA="symmetric", REACHABLE="no")

    assert paths(expectation)["edge_eu1", "bootstrap"] == "direct"
    assert paths(expectation)["edge_us2", "edge_asia1"] == "relayed"
    assert paths(expectation)["edge_eu1", "edge_eu2"] == "direct"


def test_every_edge_calls_the_bootstrap_and_the_next_edge() -> None:
    assert expected("mesh").calls == tuple(
        Call(caller, provider, Path.DIRECT)
        for caller, provider in (("edge1", "edge2"), ("edge2", "edge3"), ("edge3", "edge1"))
    )
    hairpin = paths(expected("hairpin"))
    assert list(hairpin) == list(NAT_PAIR)


@pytest.mark.parametrize("topology", sorted(set(topologies()) - {"selfcheck"}))
def test_every_topology_has_a_proof_and_nobody_is_cut_off_by_accident(topology: str) -> None:
    expectation = expected(topology)

    assert expectation.calls
    assert expectation.cut_off == {}
