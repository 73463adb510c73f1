"""`macula nat` in an edge says what the lab's own self-check says of the router before it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from asking import eventually
from labs import Labs, asked, macula
from macula.nat.profile import Filtering, Mapping, Ports, Profile, parse
from macula_lab.engines.contract import Engine

NATS = {
    "none": "none",
    "full_cone": "full_cone",
    "restricted": "restricted",
    "port_restricted": "port_restricted",
    "mapping=adm,ports=random": "symmetric",
    "symmetric": "symmetric",
    "symmetric_sequential": "symmetric",
    "cgnat": "port_restricted",
    "home": "port_restricted",
    "port_restricted,input=accept": "port_restricted",
}
"""The familiar name of each."""

PLACES = {"bootstrap": "172.27.0.10:9443", "gateway": "172.27.0.20:9443"}


@pytest.fixture
def own_labs() -> Iterator[Labs]:
    """Labs that are gone after the test: each NAT has one of its own, in which the router has passed its self-check."""
    labs = Labs()
    try:
        yield labs
    finally:
        labs.down()


def start(lab: Engine, *, udp: bool = True) -> None:
    """One edge, and those whom it asks: until it is connected to both, if it can be."""
    lab.start(["bootstrap", "gateway", "edge_a"])

    def connected() -> bool:
        peers = asked(lab, "edge_a", "peers")
        names = {peer["name"] for peer in json.loads(peers.stdout)} if peers.code == 0 else set()
        return peers.code == 0 and (names >= {"bootstrap", "gateway"} or not udp)

    eventually("edge_a is connected to both observers", connected)


@pytest.mark.parametrize(("nat", "familiar"), NATS.items())
def test_an_edge_knows_its_nat(own_labs: Labs, nat: str, familiar: str) -> None:
    lab = own_labs.routers("netns", "nat-pair", NAT_A=nat)
    start(lab)
    profile = parse(nat)

    info = macula(lab, "edge_a", "nat")

    assert info["type"] == familiar
    assert (info["mapping"], info["translated"]) == (profile.mapping, profile.translates)
    assert info["public_ip"] == ("172.27.0.21" if profile.translates else "172.27.1.31")
    assert info["public_port"] == seen_by(lab, "bootstrap", "edge_a")
    assert set(info["observers"]) == set(PLACES.values())
    assert macula(lab, "edge_a", "status")["nat"].startswith(familiar)
    if not profile.translates:
        assert (info["filtering"], info["hairpin"]) == (Filtering.ENDPOINT_INDEPENDENT, None)
        return
    expected = (profile.filtering, profile.ports, profile.hairpin)
    assert (info["filtering"], info["ports"], info["hairpin"]) == expected
    check_ports(profile, info)
    guards = not profile.dependent and profile.filtering is not Filtering.ENDPOINT_INDEPENDENT
    assert info["input"] == (profile.input if guards else None)


def check_ports(profile: Profile, info: dict[str, Any]) -> None:
    """What is told beyond the kind of choice."""
    assert info["ports_preserved"] == (profile.ports is Ports.PRESERVE)
    assert (info["delta"] == 1) == (profile.ports is Ports.SEQUENTIAL)
    if profile.ports is Ports.BLOCK:
        low, high = info["block"]
        assert profile.block[0] <= low < high <= profile.block[1]


def seen_by(lab: Engine, observer: str, edge: str) -> int:
    """The port at which a node in the open sees an edge, which `public_port` is where the mapping is independent; else
    that of the observer that was asked first, which is the bootstrap."""
    (address,) = [peer["address"] for peer in macula(lab, observer, "peers") if peer["name"] == edge]
    return int(address.rpartition(":")[2])


def test_two_nats_on_the_way_count_as_one(own_labs: Labs) -> None:
    lab = own_labs.routers("netns", "cgnat")
    start(lab)

    info = macula(lab, "edge_a", "nat")

    assert (info["type"], info["mapping"]) == ("port_restricted", Mapping.ENDPOINT_INDEPENDENT)
    assert info["public_ip"] == "172.29.0.21"
    assert info["ports"] == Ports.BLOCK


def test_an_edge_without_udp_says_so(own_labs: Labs) -> None:
    lab = own_labs.routers("netns", "udp-blocked")
    start(lab, udp=False)

    info = macula(lab, "edge_a", "nat")

    assert (info["type"], info["public_ip"], info["observers"]) == ("blocked", None, [])
    assert "172.30.0.10:9443" in info["note"]


def test_how_long_an_idle_mapping_lives_is_found_in_the_background(own_labs: Labs) -> None:
    lab = own_labs.routers("netns", "nat-pair", NAT_A="port_restricted,lifetime=24")
    start(lab)

    def bracket() -> Any:
        told = macula(lab, "edge_a", "nat")["lifetime_s"]
        return told if told["below"] else None

    assert eventually("the lifetime is known", bracket, seconds=45) == {"at_least": 20.0, "below": 30.0}


def test_a_nat_that_becomes_another_is_measured_on_demand(own_labs: Labs) -> None:
    lab = own_labs.routers("netns", "nat-pair", NAT_A="full_cone")
    start(lab)
    assert macula(lab, "edge_a", "nat")["type"] == "full_cone"
    assert lab.execute("nat_a", ["macula-router", "apply", "--nat", "symmetric"]).code == 0

    assert macula(lab, "edge_a", "nat", "--refresh")["type"] == "symmetric"

    table = lab.execute("edge_a", ["macula", "nat"])
    assert table.code == 0
    assert "symmetric" in table.stdout
    assert asked(lab, "edge_a", "nat", "--nonsense").code == 2
