"""Subnets that somebody else has."""

from ipaddress import IPv4Network

import pytest

from macula_lab.composefile.plan import Network
from macula_lab.engines.docker.subnets import require_apart, routed
from macula_lab.errors import LabError

ROUTES = """[
  {"dst": "default", "gateway": "192.0.2.1", "dev": "eth0"},
  {"dst": "192.0.2.0/24", "dev": "eth0", "scope": "link"},
  {"dst": "10.8.0.1", "dev": "tun0"},
  {"type": "blackhole", "dst": "10.9.0.0/16"}
]"""
LAN = Network("lan_a", IPv4Network("10.8.0.0/24"))


def test_routes_of_this_machine_without_the_default() -> None:
    assert routed(ROUTES) == {
        IPv4Network("192.0.2.0/24"): "this machine's route through eth0",
        IPv4Network("10.8.0.1/32"): "this machine's route through tun0",
        IPv4Network("10.9.0.0/16"): "this machine's route through nowhere",
    }
    assert routed("") == {}


@pytest.mark.parametrize("taken", ["10.8.0.1/32", "10.8.0.0/24", "10.0.0.0/8"])
def test_one_that_overlaps_is_named_with_its_owner_and_the_remedy(taken: str) -> None:
    with pytest.raises(LabError) as caught:
        require_apart(LAN, {IPv4Network("10.7.0.0/24"): "elsewhere", IPv4Network(taken): "Docker's network other_lan"})

    assert caught.value.cause == f"networks.lan_a: 10.8.0.0/24 overlaps Docker's network other_lan ({taken})"
    assert "LAB_NETWORK=" in caught.value.next_step


def test_one_that_overlaps_nothing_is_free() -> None:
    require_apart(LAN, {IPv4Network("10.7.0.0/24"): "elsewhere"})
