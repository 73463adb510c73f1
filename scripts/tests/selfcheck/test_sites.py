"""Where probers are put."""

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from fake_lab import FakeEngine, nat_pair, network, router
from macula_lab.composefile.load import load
from macula_lab.composefile.plan import Plan
from macula_lab.engines.contract import Host
from macula_lab.errors import LabError
from macula_lab.selfcheck.sites import sites
from macula_lab.workspace import COMPOSE

ALL = ["internet", "nat_a", "nat_b"]


def hosts(plan: Plan) -> Mapping[str, Host]:
    return FakeEngine(plan).hosts()


def test_each_nat_has_a_prober_behind_it_and_shares_the_server_in_front() -> None:
    plan = nat_pair()

    fronts, places = sites(plan, hosts(plan), ALL)

    (front,) = fronts
    assert front.network == "public"
    assert len(set(front.addresses)) == 3
    assert front.routes == {
        IPv4Network("172.24.1.0/24"): IPv4Address("172.24.0.21"),
        IPv4Network("172.24.2.0/24"): IPv4Address("172.24.0.22"),
    }
    assert [(place.router.name, place.network, str(place.gateway)) for place in places] == [
        ("nat_a", "lan_a", "172.24.1.3"),
        ("nat_b", "lan_b", "172.24.2.3"),
    ]
    assert all(place.server == front.addresses[0] for place in places)
    assert all(place.wan == IPv4Network("172.24.0.0/24") for place in places)


def test_nobody_gets_an_address_that_somebody_has() -> None:
    plan = nat_pair()
    given = {address for host in hosts(plan).values() for address in host.addresses.values()}

    fronts, places = sites(plan, hosts(plan), ALL)

    taken = [*(address for front in fronts for address in front.addresses)]
    taken += [address for place in places for address in place.addresses]
    assert len(set(taken)) == len(taken)
    assert not given & set(taken)


def test_only_the_routers_that_are_asked_for_are_looked_at() -> None:
    plan = nat_pair()

    _, places = sites(plan, hosts(plan), ["nat_b"])

    assert [place.router.name for place in places] == ["nat_b"]
    assert sites(plan, hosts(plan), ["internet"]) == ([], [])


def test_a_network_between_two_nats_has_a_server_and_a_prober() -> None:
    plan = load(COMPOSE / "cgnat.yaml", {})
    running = {
        name: Host(name, "running", True, {net: address for net, address in service.networks.items() if address})
        for name, service in plan.services.items()
    }

    fronts, places = sites(plan, running, [one.name for one in plan.routers()])

    carrier = next(front for front in fronts if front.network == "carrier")
    behind = next(place for place in places if place.network == "carrier")
    assert behind.router.name == "cgn"
    assert not set(carrier.addresses) & set(behind.addresses)


def test_a_router_that_does_not_run_is_told() -> None:
    plan = nat_pair()
    dead = {**hosts(plan), "nat_a": Host("nat_a", "exited (1)", False)}

    with pytest.raises(LabError, match="nat_a does not run"):
        sites(plan, dead, ALL)


def test_a_router_that_is_not_in_its_wan_is_told() -> None:
    plan = nat_pair()
    elsewhere = router("nat_a", {"lan_a": "172.24.1.3"}, WAN="10.0.0.0/24", NAT="home")
    wrong = replace(plan, services={**plan.services, "nat_a": elsewhere})
    alone = {**hosts(plan), "nat_a": Host("nat_a", "running", True, {"lan_a": IPv4Address("172.24.1.3")})}

    with pytest.raises(LabError, match=r"services\.nat_a\.environment\.WAN: .* at 10\.0\.0\.0/24") as told:
        sites(wrong, alone, ALL)
    assert told.value.next_step == "it is in lan_a 172.24.1.0/24"


def test_a_network_without_room_is_told() -> None:
    tiny = network("tiny", "172.24.3.0/30")
    nat = router("nat_c", {"public": "172.24.0.23", "tiny": "172.24.3.1"}, WAN="172.24.0.0/24", NAT="home")
    before = nat_pair()
    plan = Plan(Path("x.yaml"), {"nat_c": nat}, {"public": before.networks["public"], "tiny": tiny})

    with pytest.raises(LabError, match=r"networks\.tiny"):
        sites(plan, hosts(plan), ["nat_c"])
