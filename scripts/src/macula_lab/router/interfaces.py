"""The interfaces of a router, found by the subnets of their addresses: engines give them names in any order."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from macula_lab.errors import LabError
from macula_lab.router.kernel import run


@dataclass(frozen=True, slots=True)
class Interface:
    """An interface and its IPv4 addresses, the first one first."""

    name: str
    addresses: tuple[IPv4Interface, ...]


@dataclass(frozen=True, slots=True)
class Uplink:
    """The interface towards the WAN and the one address that the router has there."""

    interface: str
    address: IPv4Interface


def present() -> tuple[Interface, ...]:
    """The interfaces that this network namespace has now."""
    return parse(run("ip", "-json", "-4", "address", "show"))


def parse(listing: str) -> tuple[Interface, ...]:
    """The interfaces that have addresses, from what `ip -json -4 address show` writes; without the loopback."""
    return tuple(
        Interface(
            link["ifname"], tuple(IPv4Interface(f"{one['local']}/{one['prefixlen']}") for one in link["addr_info"])
        )
        for link in json.loads(listing)
        if link.get("addr_info") and "LOOPBACK" not in link.get("flags", ())
    )


def uplink(interfaces: Sequence[Interface], wan: IPv4Network) -> Uplink:
    """The interface with an address in `wan`. Raises LabError when there is none."""
    for interface in interfaces:
        for address in interface.addresses:
            if address.ip in wan:
                return Uplink(interface.name, address)
    raise LabError(
        f"WAN: no interface has an address in {wan}; there are {_listed(interfaces)}",
        "attach the service to that network, or write its subnet in WAN",
    )


def holding(interfaces: Sequence[Interface], name: str, address: IPv4Address) -> Interface:
    """The interface in whose subnet `address` lies; `name` is the setting. Raises LabError when there is none."""
    for interface in interfaces:
        if any(address in own.network for own in interface.addresses):
            return interface
    raise LabError(
        f"{name}: no interface is in the network of {address}; there are {_listed(interfaces)}",
        "attach the service to that network",
    )


def _listed(interfaces: Sequence[Interface]) -> str:
    return ", ".join(f"{one.name} {' '.join(map(str, one.addresses))}" for one in interfaces) or "none"
