"""Interfaces are found by the subnets of their addresses."""

from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

import pytest

from macula_lab.errors import LabError
from macula_lab.router.interfaces import Interface, Uplink, holding, parse, uplink

LAN = Interface("eth0", (IPv4Interface("10.9.1.3/24"), IPv4Interface("10.9.1.2/24")))
WAN = Interface("eth1", (IPv4Interface("203.0.113.21/24"),))


def test_what_ip_writes_is_read_without_the_loopback() -> None:
    assert parse(Path(__file__).with_name("ip_address.json").read_text()) == (LAN, WAN)


@pytest.mark.parametrize("order", [(LAN, WAN), (WAN, LAN)])
def test_the_uplink_is_where_the_wan_is_in_any_order(order: tuple[Interface, ...]) -> None:
    assert uplink(order, IPv4Network("203.0.113.0/24")) == Uplink("eth1", IPv4Interface("203.0.113.21/24"))


def test_the_wan_may_be_a_part_of_the_subnet_of_its_interface() -> None:
    assert uplink((LAN, WAN), IPv4Network("203.0.113.16/28")).interface == "eth1"


def test_an_address_is_held_where_its_network_is() -> None:
    assert holding((LAN, WAN), "ADDRESSES", IPv4Address("10.9.1.77")) == LAN


def test_a_missing_interface_is_named_with_those_that_are_there() -> None:
    with pytest.raises(LabError, match=r"WAN: .* 198.51.100.0/24; there are eth0 10.9.1.3/24 10.9.1.2/24, eth1"):
        uplink((LAN, WAN), IPv4Network("198.51.100.0/24"))
    with pytest.raises(LabError, match=r"ADDRESSES: .* 10.9.2.2; there are none"):
        holding((), "ADDRESSES", IPv4Address("10.9.2.2"))
