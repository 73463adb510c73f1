"""Where the lab puts its probers: for each router one behind it, and one server in front of it. Pure."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from itertools import islice

from macula_lab.composefile.plan import Plan, Service
from macula_lab.engines.contract import Host
from macula_lab.errors import LabError
from macula_lab.router.config import from_environment

Addresses = tuple[IPv4Address, ...]
FRONT, INSIDE = 3, 2
"""how many a server and a prober have"""


@dataclass(frozen=True, slots=True)
class Front:
    """A server in a network that routers have as their WAN."""

    network: str
    addresses: Addresses
    """two of the server, and the outsider's"""
    routes: Mapping[IPv4Network, IPv4Address]
    """to the networks behind those routers, so that it can aim at private addresses"""


@dataclass(frozen=True, slots=True)
class Site:
    """A prober in a network behind a router."""

    router: Service
    network: str
    addresses: Addresses
    """of two hosts"""
    gateway: IPv4Address
    """the router's address there"""
    wan: IPv4Network
    server: IPv4Address

    @property
    def name(self) -> str:
        """Of its helper: one for each router and network behind it."""
        return f"inside-{self.router.name}-{self.network}"


def sites(plan: Plan, hosts: Mapping[str, Host], only: Collection[str]) -> tuple[list[Front], list[Site]]:
    """Servers and probers for the routers in `only` that have a WAN.

    Raises LabError for a router that does not run, is not where it says that its WAN is, or has nothing behind it.
    """
    behind = [one for router in plan.routers() if router.name in only for one in _behind(plan, hosts, router)]
    free = _Free(plan, [network for _, wan, lan, _ in behind for network in (wan, lan)])
    routes: dict[str, dict[IPv4Network, IPv4Address]] = defaultdict(dict)
    for _, wan, lan, host in behind:
        routes[wan][plan.networks[lan].subnet] = host.addresses[wan]
    fronts = {wan: Front(wan, free.take(wan, FRONT), found) for wan, found in routes.items()}
    found = [
        Site(
            router,
            lan,
            free.take(lan, INSIDE),
            host.addresses[lan],
            plan.networks[wan].subnet,
            fronts[wan].addresses[0],
        )
        for router, wan, lan, host in behind
    ]
    return list(fronts.values()), found


def _behind(plan: Plan, hosts: Mapping[str, Host], router: Service) -> Iterator[tuple[Service, str, str, Host]]:
    wan = from_environment(router.environment).wan
    if wan is None:
        return
    host = hosts.get(router.name)
    if host is None or not host.running:
        raise LabError(f"{router.name} does not run", f"macula-lab logs {router.name}")
    fronts = [name for name in host.addresses if plan.networks[name].subnet.overlaps(wan)]
    lans = [name for name in host.addresses if name not in fronts]
    if not fronts or not lans:
        known = ", ".join(f"{name} {plan.networks[name].subnet}" for name in host.addresses)
        cause = f"services.{router.name}.environment.WAN: a router needs a network at {wan} and one behind it"
        raise LabError(cause, f"it is in {known or 'no network'}")
    for lan in lans:
        yield router, fronts[0], lan, host


class _Free:
    """Free addresses of networks, each given out once."""

    def __init__(self, plan: Plan, networks: Sequence[str]) -> None:
        # A network may have a server and probers too: it is before one router and behind another.
        self._left = {
            network: iter(plan.free_addresses(network, FRONT + INSIDE * networks.count(network)))
            for network in set(networks)
        }

    def take(self, network: str, count: int) -> Addresses:
        return tuple(islice(self._left[network], count))
