"""What a router makes of its environment, and which variable it names when that is wrong."""

from ipaddress import IPv4Address, IPv4Interface, IPv4Network

import pytest
from macula.nat.profile import PRESETS, Profile

from macula_lab.errors import LabError
from macula_lab.router.config import Route, from_environment, profile


def test_everything_is_read() -> None:
    config = from_environment(
        {
            "WAN": "172.24.0.0/24",
            "NAT": "home,lifetime=30",
            "ADDRESSES": "172.24.1.2/24\n  172.24.2.2/24",
            "ROUTES": "172.24.9.0/24=172.24.1.7 0.0.0.0/0=172.24.0.2",
        }
    )
    assert config.wan == IPv4Network("172.24.0.0/24")
    assert config.nat == Profile(hairpin=True, lifetime=30)
    assert config.addresses == (IPv4Interface("172.24.1.2/24"), IPv4Interface("172.24.2.2/24"))
    assert config.routes[1] == Route(IPv4Network("0.0.0.0/0"), IPv4Address("172.24.0.2"))


def test_without_a_wan_it_is_a_plain_router() -> None:
    config = from_environment({"ADDRESSES": "172.24.1.2/24"})
    assert config.wan is None
    assert config.nat == PRESETS["none"].profile


def test_none_needs_no_wan() -> None:
    assert from_environment({"NAT": "none"}) == from_environment({})


@pytest.mark.parametrize(
    ("environment", "names"),
    [
        ({"WAN": "172.24.0.1/24", "NAT": "home"}, ["WAN: 172.24.0.1/24"]),
        ({"WAN": "wan", "NAT": "home"}, ["WAN:", "'wan'"]),
        ({"WAN": "172.24.0.0/24"}, ["NAT:", "NAT: none"]),
        ({"NAT": "home"}, ["WAN:", "missing"]),
        ({"WAN": "172.24.0.0/24", "NAT": "hme"}, ["NAT: there is no NAT 'hme'", "port_restricted"]),
        ({"WAN": "172.24.0.0/24", "NAT": "mapping=eif"}, ["NAT: mapping:", "apdm"]),
        ({"WAN": "172.24.0.0/24", "NAT": "none,hairpin=on"}, ["NAT: translates:"]),
        ({"ADDRESSES": "172.24.1.2"}, ["ADDRESSES: 172.24.1.2", "172.24.1.2/24"]),
        ({"ADDRESSES": "172.24.1.2/33"}, ["ADDRESSES:", "33"]),
        ({"WAN": "172.24.0.0/24", "NAT": "home", "ADDRESSES": "172.24.0.2/24"}, ["ADDRESSES: 172.24.0.2/24", "WAN"]),
        ({"ROUTES": "172.24.3.0/24"}, ["ROUTES: 172.24.3.0/24", "next hop"]),
        ({"ROUTES": "172.24.3.0/24=router_2"}, ["ROUTES: 172.24.3.0/24=router_2"]),
        ({"ROUTES": "172.24.3.1/24=172.24.9.4"}, ["ROUTES: 172.24.3.1/24=172.24.9.4", "host bits"]),
    ],
)
def test_what_is_wrong_is_named_with_a_remedy(environment: dict[str, str], names: list[str]) -> None:
    with pytest.raises(LabError) as refused:
        from_environment(environment)
    for name in names:
        assert name in str(refused.value)
    assert refused.value.next_step


def test_the_setting_of_a_command_is_named_too() -> None:
    with pytest.raises(LabError, match="--nat: lifetime: 1 is not within"):
        profile("home,lifetime=1", "--nat")
