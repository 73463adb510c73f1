"""What every topology of the lab keeps to, whatever it is for."""

from ipaddress import IPv4Address
from typing import Any

import pytest

from macula_lab.composefile.load import load
from macula_lab.composefile.plan import Plan
from macula_lab.composefile.routes import addresses, route
from macula_lab.workspace import COMPOSE, topologies

RIGHTS = {"image", "init", "cap_drop", "cap_add", "security_opt", "devices", "sysctls", "labels"}
"""Keys that say what a service is and may do."""
PLACE = {"environment", "networks", "depends_on", "command"}

NODES = sorted(set(topologies()) - {"selfcheck"})


@pytest.fixture(params=topologies())
def plan(request: pytest.FixtureRequest) -> Plan:
    return load(COMPOSE / f"{request.param}.yaml", {})


def fields(plan: Plan, service: str) -> dict[str, Any]:
    found: dict[str, Any] = plan.document["services"][service]
    return found


def test_only_routers_have_a_capability_and_it_is_net_admin(plan: Plan) -> None:
    routers = {router.name for router in plan.routers()}
    for name, service in plan.services.items():
        assert list(service.cap_drop) == ["ALL"]
        assert list(service.cap_add) == (["NET_ADMIN"] if name in routers else [])


def test_no_service_has_a_way_to_the_machine(plan: Plan) -> None:
    for name in plan.services:
        # No volumes, ports, privileged, pid, network_mode, ...
        assert set(fields(plan, name)) <= RIGHTS | PLACE, name
        assert fields(plan, name).get("devices", []) in ([], ["/dev/net/tun"])


def test_nodes_cannot_gain_privileges(plan: Plan) -> None:
    for name, service in plan.services.items():
        if service.is_node:
            assert fields(plan, name)["security_opt"] == ["no-new-privileges:true"]


def test_the_engine_has_no_address_in_a_network_with_a_router(plan: Plan) -> None:
    for name in {network for router in plan.routers() for network in router.networks}:
        options = plan.document["networks"][name]["driver_opts"]
        assert options == {
            "com.docker.network.bridge.inhibit_ipv4": "true",
            "com.docker.network.bridge.enable_ip_masquerade": "false",
        }


def test_gateways_are_owned_by_routers(plan: Plan) -> None:
    owned = {address for router in plan.routers() for address in addresses(router)}

    assert {network.gateway for network in plan.networks.values() if network.gateway} <= owned


def test_every_address_follows_the_variables(plan: Plan) -> None:
    moved = load(plan.file, {"LAB_NETWORK": "10.9", "LAB_CARRIER": "100.64.9"})

    assert all(str(network.subnet).startswith(("10.9.", "100.64.9.")) for network in moved.networks.values())
    assert "172." not in str([moved.document["services"], moved.document["networks"]])


@pytest.mark.parametrize("topology", NODES)
def test_a_way_leads_from_every_node_to_the_bootstrap_and_back(topology: str) -> None:
    plan = load(COMPOSE / f"{topology}.yaml", {})
    (bootstrap,) = plan.services["bootstrap"].networks.values()
    assert bootstrap
    for node in (service for service in plan.services.values() if service.is_node):
        there = route(plan, node.name, bootstrap)
        assert there is not None, node.name
        outermost = next((one for one in reversed(there) if one.outward), None)
        back = node.networks if outermost is None else plan.services[outermost.router].networks
        target = next(iter(back.values())) if outermost is None else back[outermost.left]
        assert isinstance(target, IPv4Address)
        assert route(plan, "bootstrap", target) is not None, node.name


@pytest.mark.parametrize("topology", NODES)
def test_names_tell_who_a_node_is(topology: str) -> None:
    plan = load(COMPOSE / f"{topology}.yaml", {})
    for name, service in plan.services.items():
        if service.is_node:
            assert service.environment["MACULA_NODE_NAME"] == name
            assert service.role in ("bootstrap", "gateway", "edge")
            assert service.role == service.environment["MACULA_MODE"]
