"""Networks and containers made without compose, for files that ask for no more than the lab's own topologies do.

Compose needs half a second before it begins, as long as three containers take to start. What is made here is what
compose makes of the same file, with its labels: either of them can go on where the other began. A test compares both.
"""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from docker import DockerClient
from docker.types import IPAMConfig, IPAMPool

from macula_lab.composefile.plan import Network, Plan, Service
from macula_lab.engines.docker import labels

TOP = {"services", "networks", "version"}
OF_SERVICE = {
    *("image", "command", "environment", "labels", "networks", "depends_on"),
    *("init", "cap_add", "cap_drop", "security_opt", "devices", "sysctls"),
}
OF_ATTACHMENT = {"ipv4_address", "aliases"}
OF_NETWORK = {"driver_opts", "internal", "ipam"}
OF_IPAM = {"config"}
OF_POOL = {"subnet", "gateway"}

WORKERS = 8


def suffices(plan: Plan) -> bool:
    """Whether a file has only keys that are honoured here."""
    document = plan.document
    services = list(document.get("services", {}).values())
    named = [one.get("networks") for one in services if isinstance(one.get("networks"), dict)]
    networks = [value or {} for value in (document.get("networks") or {}).values()]
    ipams = [network.get("ipam") or {} for network in networks]
    return (
        {key for key in document if not key.startswith("x-")} <= TOP
        and only(services, OF_SERVICE)
        and only([one for attachments in named for one in attachments.values()], OF_ATTACHMENT)
        and only(networks, OF_NETWORK)
        and only(ipams, OF_IPAM)
        and only([pool for ipam in ipams for pool in ipam.get("config") or []], OF_POOL)
    )


def only(mappings: Iterable[Mapping[str, Any] | None], known: set[str]) -> bool:
    """Whether none of the mappings has another key."""
    return all((mapping or {}).keys() <= known for mapping in mappings)


def make(client: DockerClient, plan: Plan, project: str, show: Callable[[str], None]) -> None:
    """Make the networks and containers of a plan that are not there yet; those of services it does not have go."""
    ours = labels.selected({labels.PROJECT: project})
    containers = client.containers.list(all=True, filters=ours, ignore_removed=True)
    existing = {container.labels[labels.SERVICE]: container for container in containers}
    networks = {(one.attrs or {})["Labels"][labels.NETWORK] for one in client.networks.list(filters=ours)}
    for service in existing.keys() - plan.services.keys():
        show(f"removing {service}, which the file does not have")
        existing[service].remove(force=True, v=True)
    with ThreadPoolExecutor(WORKERS) as pool:
        missing = [network for name, network in plan.networks.items() if name not in networks and used(plan, name)]
        wanted = [service for name, service in plan.services.items() if name not in existing]
        show(f"making {len(missing)} networks and {len(wanted)} containers")
        list(pool.map(lambda network: make_network(client, plan, project, network), missing))
        list(pool.map(lambda service: make_container(client, plan, project, service), wanted))


def used(plan: Plan, network: str) -> bool:
    """Whether any service is in a network: compose makes no other."""
    return any(network in service.networks for service in plan.services.values())


def make_network(client: DockerClient, plan: Plan, project: str, network: Network) -> None:
    """Make one network."""
    fields = plan.document["networks"][network.name] or {}
    pool = IPAMPool(subnet=str(network.subnet), gateway=str(network.gateway) if network.gateway else None)
    client.api.create_network(
        f"{project}_{network.name}",
        driver="bridge",
        options={name: str(value) for name, value in (fields.get("driver_opts") or {}).items()},
        ipam=IPAMConfig(pool_configs=[pool]),
        internal=bool(fields.get("internal", False)),
        labels={labels.PROJECT: project, labels.NETWORK: network.name},
    )


def make_container(client: DockerClient, plan: Plan, project: str, service: Service) -> None:
    """Make the container of one service, in all its networks."""
    api = client.api
    fields = plan.document["services"][service.name]
    first, *others = service.networks
    endpoint = api.create_endpoint_config(
        ipv4_address=address(service, first), aliases=[service.name, *aliases(fields, first)]
    )
    made = api.create_container(
        service.image,
        command=list(service.command) if service.command is not None else None,
        name=f"{project}-{service.name}-1",
        environment=dict(service.environment),
        labels={
            **service.labels,
            labels.PROJECT: project,
            labels.SERVICE: service.name,
            labels.NUMBER: "1",
            labels.ONE_OFF: "False",
            labels.FILES: str(plan.file),
            labels.FOLDER: str(plan.file.parent),
            labels.HASH: "macula-lab",
        },
        host_config=api.create_host_config(
            network_mode=f"{project}_{first}",
            init=fields.get("init"),
            cap_add=list(service.cap_add) or None,
            cap_drop=list(service.cap_drop) or None,
            security_opt=fields.get("security_opt"),
            devices=fields.get("devices"),
            sysctls=dict(service.sysctls) or None,
        ),
        networking_config=api.create_networking_config({f"{project}_{first}": endpoint}),  # type: ignore[arg-type]
    )
    for network in others:
        api.connect_container_to_network(
            made["Id"],
            f"{project}_{network}",
            ipv4_address=address(service, network),
            aliases=[service.name, *aliases(fields, network)],
        )


def address(service: Service, network: str) -> str | None:
    """The address that the file gives a service in a network."""
    given = service.networks[network]
    return str(given) if given else None


def aliases(fields: Mapping[str, Any], network: str) -> list[str]:
    """Further names that a service has in a network."""
    given = fields.get("networks")
    options = given.get(network) if isinstance(given, Mapping) else None
    return list((options or {}).get("aliases", []))
