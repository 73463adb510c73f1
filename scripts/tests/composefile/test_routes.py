"""The way of a packet, in the topologies that the lab ships."""

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from macula_lab.composefile.load import load
from macula_lab.composefile.plan import Plan
from macula_lab.composefile.routes import Crossing, addresses, route, uplink
from macula_lab.workspace import COMPOSE


def plan(topology: str) -> Plan:
    return load(COMPOSE / f"{topology}.yaml", {"LAB_NETWORK": "10.9", "LAB_CARRIER": "100.64.9"})


def crossed(topology: str, origin: str, target: str) -> list[str] | None:
    """The routers on the way, those that are entered from the world with a <, those left towards it with a >."""
    way = route(plan(topology), origin, IPv4Address(target))
    return None if way is None else [("<" * one.inward) + one.router + (">" * one.outward) for one in way]


@pytest.mark.parametrize(
    ("topology", "origin", "target", "expected"),
    [
        ("mesh", "edge1", "10.9.0.32", []),
        ("multi-hop", "edge_a", "10.9.2.32", ["router_1"]),
        ("multi-hop", "edge_a", "10.9.3.33", ["router_1", "router_2"]),
        ("multi-hop", "edge_c", "10.9.0.10", ["router_2", "router_1"]),
        ("nat-pair", "edge_a", "10.9.0.10", ["nat_a>"]),
        ("nat-pair", "edge_a", "10.9.2.32", ["nat_a>", "internet", "<nat_b"]),
        ("nat-pair", "bootstrap", "10.9.1.31", ["internet", "<nat_a"]),
        ("nat-pair", "bootstrap", "10.9.0.20", []),
        ("hairpin", "edge_a", "10.9.1.32", []),
        ("hairpin", "edge_a", "10.9.0.21", ["home>"]),
        ("cgnat", "edge_a", "10.9.0.10", ["home_a>", "cgn>"]),
        ("cgnat", "edge_a", "100.64.9.32", ["home_a>"]),
        ("cgnat", "edge_c", "100.64.9.31", ["nat_c>", "internet", "<cgn"]),
    ],
)
def test_the_routers_on_the_way(topology: str, origin: str, target: str, expected: list[str]) -> None:
    assert crossed(topology, origin, target) == expected


def test_no_way_leads_to_an_address_that_no_router_knows() -> None:
    assert crossed("multi-hop", "edge_a", "192.0.2.1") is None
    assert crossed("mesh", "edge1", "192.0.2.1") is None
    # `internet` knows the networks of the lab only.
    assert crossed("nat-pair", "edge_a", "192.0.2.1") is None


def test_the_private_network_of_another_home_is_nowhere() -> None:
    assert crossed("cgnat", "edge_a", "10.9.2.32") is None


def test_routers_that_send_a_packet_in_a_circle_are_no_way(tmp_path: Path) -> None:
    file = tmp_path / "circle.yaml"
    file.write_text(
        """
services:
  one: {image: macula-router, networks: {lan: {ipv4_address: 10.9.0.2}}, environment: {ROUTES: 0.0.0.0/0=10.9.0.3}}
  two: {image: macula-router, networks: {lan: {ipv4_address: 10.9.0.3}}, environment: {ROUTES: 0.0.0.0/0=10.9.0.2}}
networks: {lan: {ipam: {config: [{subnet: 10.9.0.0/24}]}}}
"""
    )

    assert route(load(file, {}), "one", IPv4Address("192.0.2.1")) is None


def test_a_crossing_names_the_networks_on_both_sides() -> None:
    assert route(plan("nat-pair"), "edge_b", IPv4Address("10.9.0.10")) == (
        Crossing("nat_b", "lan_b", "public", uplink="public"),
    )
    assert route(plan("multi-hop"), "edge_a", IPv4Address("10.9.0.10")) == (
        Crossing("router_1", "lan_a", "core", uplink=None),
    )


def test_a_router_owns_its_addresses_beside_those_of_its_networks() -> None:
    nat_pair = plan("nat-pair")

    assert addresses(nat_pair.services["nat_a"]) == {IPv4Address(f"10.9.{host}") for host in ("0.21", "1.3", "1.2")}
    assert addresses(nat_pair.services["edge_a"]) == {IPv4Address("10.9.1.31")}
    assert uplink(nat_pair, nat_pair.services["nat_a"]) == "public"
    assert uplink(nat_pair, nat_pair.services["internet"]) is None
