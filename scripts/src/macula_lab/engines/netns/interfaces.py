"""Interfaces that come and go while a lab is up: of services that move, and of the lab's own helpers."""

from collections.abc import Mapping
from ipaddress import IPv4Address

from macula_lab.composefile.plan import Plan, Service
from macula_lab.engines.netns import attachments, programs, wiring
from macula_lab.engines.netns.attachments import Attachment
from macula_lab.engines.netns.project import Project
from macula_lab.engines.netns.wiring import Place
from macula_lab.errors import LabError


def attach(plan: Plan, project: Project, service: Service, network: str, address: IPv4Address | None) -> None:
    """Give a service that runs one more interface. Raises LabError naming a network or address it cannot have."""
    folder = programs.folder_of(project, service.name)
    found = attachments.read(folder)
    _require_network(plan, network)
    if any(item.network == network for item in found):
        raise LabError(f"{service.name} is in {network} already", "detach it first")
    used = _used(project)
    wanted = address or service.networks.get(network)
    if wanted is None or (address is None and wanted in used):
        wanted = attachments.lowest_free(plan, network, plan.taken(network) | set(used))
    _require_free(plan, network, wanted, used)
    item = Attachment(network, attachments.next_interface(found), wanted)
    gateway = attachments.gateway(plan, service, [*found, item])
    wiring.attach(project.fabric, plan.networks, project.of_service(service.name), item, gateway)
    attachments.write(folder, [*found, item])
    write_hosts(plan, project)


def make_helper(plan: Plan, project: Project, name: str, networks: Mapping[str, IPv4Address], gateway: bool) -> None:
    """Make a namespace for a helper. Raises LabError naming an address that it cannot have."""
    used = _used(project)
    for network, address in networks.items():
        _require_network(plan, network)
        _require_free(plan, network, address, used)
    items = [Attachment(network, f"eth{index}", address) for index, (network, address) in enumerate(networks.items())]
    attachments.write(project.helpers / name, items)
    default = attachments.gateway(plan, None, items) if gateway else None
    wiring.make(project.fabric, plan.networks, [Place(project.of_helper(name), items, default)])


def detach(plan: Plan, project: Project, service: Service, network: str) -> None:
    """Take an interface of a service that runs away. Raises LabError when it has none in that network."""
    folder = programs.folder_of(project, service.name)
    found = attachments.read(folder)
    gone = next((item for item in found if item.network == network), None)
    if gone is None:
        known = ", ".join(item.network for item in found) or "none"
        raise LabError(f"{service.name} is not in {network} (it is in: {known})", "name one of its networks")
    rest = [item for item in found if item is not gone]
    wiring.detach(project.of_service(service.name), gone, attachments.gateway(plan, service, rest))
    attachments.write(folder, rest)
    write_hosts(plan, project)


def write_hosts(plan: Plan, project: Project) -> None:
    """Tell services each other's names and addresses."""
    # In place: services have this very file mounted.
    found = {folder.name: attachments.read(folder) for folder in project.services.iterdir()}
    (project.folder / programs.HOSTS).write_text(programs.hosts_file(plan, found))


def _used(project: Project) -> dict[IPv4Address, str]:
    """The addresses that services and helpers have now, and whose they are."""
    folders = [folder for place in (project.services, project.helpers) if place.is_dir() for folder in place.iterdir()]
    return {item.address: folder.name for folder in folders for item in attachments.read(folder)}


def _require_free(plan: Plan, network: str, address: IPv4Address, used: Mapping[IPv4Address, str]) -> None:
    subnet = plan.networks[network].subnet
    if address not in subnet:
        raise LabError(f"{address} is not in {network}, which is {subnet}", "name an address of that subnet")
    if address in used:
        raise LabError(f"{address} is {used[address]}'s", f"name another address of {subnet}")


def _require_network(plan: Plan, network: str) -> None:
    if network not in plan.networks:
        raise LabError(f"there is no network {network!r}", f"choose one of: {', '.join(plan.networks)}")
