"""A topology as the lab understands it, whoever runs it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from itertools import islice
from pathlib import Path
from typing import Any

from macula_lab.errors import LabError

ROUTER_IMAGE = "macula-router"
NODE_IMAGE = "macula-node"

ROLE_LABEL = "macula.role"
ROUTER = "router"


@dataclass(frozen=True, slots=True)
class Network:
    """One IPv4 subnet that services are attached to; nothing but its routers leads out of it."""

    name: str
    subnet: IPv4Network
    gateway: IPv4Address | None = None
    """the address that hosts in it take as their default route; None when the file names none"""


@dataclass(frozen=True, slots=True)
class Service:
    """One host of a topology."""

    name: str
    image: str
    networks: Mapping[str, IPv4Address | None]
    """by network: the address the file gives it, None where the engine chooses"""
    environment: Mapping[str, str] = field(default_factory=dict)
    command: Sequence[str] | None = None
    """instead of the image's own"""
    labels: Mapping[str, str] = field(default_factory=dict)
    depends_on: Sequence[str] = ()
    cap_add: Sequence[str] = ()
    cap_drop: Sequence[str] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)

    @property
    def role(self) -> str:
        """bootstrap, gateway, edge, router, or what the file says; a service of our router image is a router."""
        is_router = repository(self.image) == ROUTER_IMAGE
        return self.labels.get(ROLE_LABEL, ROUTER if is_router else "")

    @property
    def is_node(self) -> bool:
        """Whether it runs our mesh node."""
        return repository(self.image) == NODE_IMAGE

    @property
    def version(self) -> str:
        """Which version of our node it runs, as the image's tag says: a commit; empty for that of this tree."""
        tag = self.image.partition("@")[0].rpartition("/")[2].partition(":")[2]
        return "" if not self.is_node or tag == "latest" else tag


@dataclass(frozen=True, slots=True)
class Plan:
    """A compose file with every variable filled in."""

    file: Path
    services: Mapping[str, Service]
    networks: Mapping[str, Network]
    document: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """the whole file, also what the lab has no use for"""
    variables: Mapping[str, str] = field(default_factory=dict)
    """of the environment, those that the file uses, with their values; not those that are unset"""

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.file.stem

    def routers(self) -> list[Service]:
        """The services that run our router image, in the order of the file."""
        return [service for service in self.services.values() if repository(service.image) == ROUTER_IMAGE]

    def network_of(self, address: IPv4Address) -> Network | None:
        """The network in which an address lies."""
        return next((network for network in self.networks.values() if address in network.subnet), None)

    def free_addresses(self, network: str, count: int) -> list[IPv4Address]:
        """Addresses of a network that no service of the file has, from the top down: for the lab's own helpers.

        Raises LabError, naming the network, when it has too few.
        """
        subnet, taken = self.networks[network].subnet, self.taken(network)
        hosts = map(IPv4Address, range(int(subnet.broadcast_address) - 1, int(subnet.network_address), -1))
        found = list(islice((address for address in hosts if address not in taken), count))
        if len(found) < count:
            cause = f"networks.{network}: {subnet} has {len(found)} free addresses, the lab needs {count}"
            raise LabError(cause, "give the network a larger subnet")
        return found

    def taken(self, network: str) -> set[IPv4Address]:
        """Addresses of a network that the file gives to somebody: services, the gateway, and what routers own.

        Where the file names no gateway the first host's address counts as one: Docker takes it.
        """
        subnet = self.networks[network].subnet
        given = {service.networks.get(network) for service in self.services.values()}
        owned = {address for router in self.routers() for address in own_addresses(router)}
        gateway = self.networks[network].gateway or subnet.network_address + 1
        return {address for address in {*given, *owned, gateway} if address is not None and address in subnet}


def own_addresses(router: Service) -> set[IPv4Address]:
    """What a router takes as its own beside what the engine gives it; what is no address there is its affair."""
    found = set()
    for text in router.environment.get("ADDRESSES", "").split():
        with suppress(ValueError):
            found.add(IPv4Interface(text).ip)
    return found


def repository(image: str) -> str:
    """An image's name without registry, namespace, tag and digest."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0]
