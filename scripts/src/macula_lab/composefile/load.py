"""A compose file as a Plan: what the lab needs to know of it, whoever runs it."""

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from macula_lab.composefile import forms
from macula_lab.composefile.document import read
from macula_lab.composefile.forms import wrong
from macula_lab.composefile.plan import Network, Plan, Service
from macula_lab.errors import LabError

DEFAULT_NETWORK = "default"
"""What a service that names no network is in."""


def load(path: Path, environ: Mapping[str, str]) -> Plan:
    """The plan of a compose file with the variables of `environ` filled in.

    Keys that the lab has no use for are ignored: an engine honours or refuses them. Raises LabError, naming the line
    of wrong YAML or the key of a wrong value: a network without a subnet, subnets that overlap, an address outside of
    its network or given twice, a service or network that is named and not there.
    """
    document, variables = read(path, environ)
    services = {
        name: _service(name, value, path.parent, environ)
        for name, value in forms.mapping(document["services"], "services").items()
    }
    networks = {
        name: _network(name, value) for name, value in forms.mapping(document.get("networks"), "networks").items()
    }
    plan = Plan(path, services, networks, document, variables)
    _require_references(plan)
    _require_apart(plan)
    _require_addresses(plan)
    return plan


def _service(name: str, value: Any, folder: Path, environ: Mapping[str, str]) -> Service:
    key = f"services.{name}"
    fields = forms.mapping(value, key)
    from_files = _env_files(fields.get("env_file"), f"{key}.env_file", folder)
    return Service(
        name=name,
        image=forms.scalar(fields.get("image", ""), f"{key}.image"),
        networks=_attachments(fields, key),
        environment=from_files | forms.environment(fields.get("environment"), f"{key}.environment", environ),
        command=forms.command(fields.get("command"), f"{key}.command"),
        labels=forms.given_pairs(fields.get("labels"), f"{key}.labels"),
        depends_on=forms.names(fields.get("depends_on"), f"{key}.depends_on"),
        cap_add=forms.strings(fields.get("cap_add"), f"{key}.cap_add"),
        cap_drop=forms.strings(fields.get("cap_drop"), f"{key}.cap_drop"),
        sysctls=forms.given_pairs(fields.get("sysctls"), f"{key}.sysctls"),
    )


def _env_files(value: Any, key: str, folder: Path) -> dict[str, str]:
    """The variables of a service's env_file: one path or a list, the later ones win."""
    found: dict[str, str] = {}
    for name in [value] if isinstance(value, str) else forms.strings(value, key):
        file = folder / name
        if not file.is_file():
            raise wrong(key, f"there is no file {file}")
        found |= {variable: text for variable, text in dotenv_values(file).items() if text is not None}
    return found


def _attachments(fields: Mapping[str, Any], key: str) -> dict[str, IPv4Address | None]:
    """The networks of a service with the addresses the file gives it there."""
    if fields.get("network_mode"):
        return {}
    where = f"{key}.networks"
    value = fields.get("networks")
    if value is None:
        return {DEFAULT_NETWORK: None}
    if isinstance(value, list):
        return dict.fromkeys(forms.strings(value, where))
    found: dict[str, IPv4Address | None] = {}
    for name, options in forms.mapping(value, where).items():
        address = forms.mapping(options, f"{where}.{name}").get("ipv4_address")
        found[name] = None if address is None else _address(address, f"{where}.{name}.ipv4_address")
    return found


def _network(name: str, value: Any) -> Network:
    key = f"networks.{name}"
    ipam = forms.mapping(forms.mapping(value, key).get("ipam"), f"{key}.ipam")
    where = f"{key}.ipam.config"
    pools = ipam.get("config") or []
    if not isinstance(pools, list):
        raise wrong(where, f"must be a list, not {pools!r}")
    found: list[tuple[str, IPv4Network, IPv4Address | None]] = []
    for index, item in enumerate(pools):
        pool = forms.mapping(item, f"{where}[{index}]")
        subnet = forms.scalar(pool.get("subnet", ""), f"{where}[{index}].subnet")
        if ":" not in subnet:
            gateway = pool.get("gateway")
            found.append(
                (
                    f"{where}[{index}]",
                    _subnet(subnet, f"{where}[{index}].subnet"),
                    None if gateway is None else _address(gateway, f"{where}[{index}].gateway"),
                )
            )
    if len(found) != 1:
        example = f"networks: {{{name}: {{ipam: {{config: [{{subnet: 172.30.0.0/24}}]}}}}}}"
        raise LabError(f"{where}: must have one IPv4 subnet, it has {len(found) or 'none'}", f"write {example}")
    at, network, router = found[0]
    if router is not None and not _is_host(router, network):
        raise wrong(f"{at}.gateway", f"{router} is no host of {network}")
    return Network(name, network, router)


def _subnet(text: str, key: str) -> IPv4Network:
    if not text:
        raise wrong(key, "is missing")
    try:
        return IPv4Network(text)
    except (AddressValueError, NetmaskValueError, ValueError) as error:
        raise wrong(key, f"{text!r} is no IPv4 subnet: {error}") from error


def _address(value: Any, key: str) -> IPv4Address:
    text = forms.scalar(value, key)
    try:
        return IPv4Address(text)
    except AddressValueError as error:
        raise wrong(key, f"{text!r} is no IPv4 address") from error


def _is_host(address: IPv4Address, subnet: IPv4Network) -> bool:
    return address in subnet and address not in (subnet.network_address, subnet.broadcast_address)


def _require_references(plan: Plan) -> None:
    """Raise LabError for a network or a service that is named and not there, and for services that wait in a circle."""
    for service in plan.services.values():
        for network in service.networks:
            if network not in plan.networks:
                known = ", ".join(plan.networks) or "none"
                problem = f"there is no network {network!r} with a subnet under networks: (there are: {known})"
                raise wrong(f"services.{service.name}.networks", problem)
        for other in service.depends_on:
            if other not in plan.services:
                raise wrong(f"services.{service.name}.depends_on", f"there is no service {other!r}")
    try:
        TopologicalSorter({service.name: service.depends_on for service in plan.services.values()}).prepare()
    except CycleError as error:
        circle = error.args[1]
        raise wrong(f"services.{circle[0]}.depends_on", f"goes in a circle: {' -> '.join(circle)}") from error


def _require_apart(plan: Plan) -> None:
    """Raise LabError for subnets that overlap."""
    networks = list(plan.networks.values())
    for index, network in enumerate(networks):
        for other in networks[:index]:
            if network.subnet.overlaps(other.subnet):
                raise wrong(
                    f"networks.{network.name}.ipam.config[0].subnet",
                    f"{network.subnet} overlaps networks.{other.name}, which is {other.subnet}",
                )


def _require_addresses(plan: Plan) -> None:
    """Raise LabError for an address that is outside of its network, the network's gateway, or given twice."""
    owners: dict[IPv4Address, str] = {}
    for service in plan.services.values():
        for name, address in service.networks.items():
            if address is None:
                continue
            key = f"services.{service.name}.networks.{name}.ipv4_address"
            network = plan.networks[name]
            if not _is_host(address, network.subnet):
                raise wrong(key, f"{address} is no host of {name}, which is {network.subnet}")
            if address == network.gateway:
                raise wrong(key, f"{address} is the gateway of {name}, which an engine gives to nobody")
            if address in owners:
                raise wrong(key, f"{address} is taken by {owners[address]}")
            owners[address] = key
