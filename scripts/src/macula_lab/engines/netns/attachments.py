"""Which service is in which network with which interface and address, kept in the service's folder."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from macula_lab.composefile.plan import Plan, Service
from macula_lab.errors import LabError

FILE = "attachments.json"


@dataclass(frozen=True, slots=True)
class Attachment:
    """One interface."""

    network: str
    interface: str
    address: IPv4Address


def read(folder: Path) -> list[Attachment]:
    """The attachments of a service or helper; none when it never had any."""
    try:
        text = (folder / FILE).read_text()
    except FileNotFoundError:
        return []
    return [Attachment(item["network"], item["interface"], IPv4Address(item["address"])) for item in json.loads(text)]


def write(folder: Path, attachments: Sequence[Attachment]) -> None:
    """Keep attachments; a reader sees the old ones or the new ones, whole."""
    folder.mkdir(parents=True, exist_ok=True)
    items = [
        {"network": item.network, "interface": item.interface, "address": str(item.address)} for item in attachments
    ]
    fresh = folder / f"{FILE}.new"
    fresh.write_text(json.dumps(items))
    fresh.replace(folder / FILE)


def of_plan(plan: Plan) -> dict[str, list[Attachment]]:
    """What each service is attached to by the file: interfaces in its order, addresses from the bottom up where the
    file gives none. Raises LabError, naming the network, when it has no address left."""
    taken = {name: plan.taken(name) for name in plan.networks}
    found: dict[str, list[Attachment]] = {}
    for service in plan.services.values():
        found[service.name] = []
        for index, (network, given) in enumerate(service.networks.items()):
            address = given or lowest_free(plan, network, taken[network])
            taken[network].add(address)
            found[service.name].append(Attachment(network, f"eth{index}", address))
    return found


def crowds(attached: Mapping[str, Sequence[Attachment]], limit: int) -> dict[str, list[IPv4Address]]:
    """The addresses in each network with more than `limit` hosts."""
    found: dict[str, list[IPv4Address]] = {}
    for items in attached.values():
        for item in items:
            found.setdefault(item.network, []).append(item.address)
    return {network: addresses for network, addresses in found.items() if len(addresses) > limit}


def lowest_free(plan: Plan, network: str, taken: set[IPv4Address]) -> IPv4Address:
    """The first address of a network that nobody has. Raises LabError, naming the network, when there is none."""
    subnet = plan.networks[network].subnet
    for number in range(int(subnet.network_address) + 1, int(subnet.broadcast_address)):
        if IPv4Address(number) not in taken:
            return IPv4Address(number)
    raise LabError(f"networks.{network}: {subnet} has no free address", "give the network a larger subnet")


def next_interface(attachments: Sequence[Attachment]) -> str:
    """The name of the first interface that is not there."""
    names = {item.interface for item in attachments}
    return next(name for name in (f"eth{index}" for index in range(len(names) + 1)) if name not in names)


def gateway(plan: Plan, service: Service | None, attachments: Sequence[Attachment]) -> IPv4Address | None:
    """Where the default route leads: to the first gateway of its networks. Routers have what their ROUTES say."""
    if service is not None and service in plan.routers():
        return None
    return next((router for item in attachments if (router := plan.networks[item.network].gateway)), None)
