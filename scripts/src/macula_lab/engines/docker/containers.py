"""What the engine says about a project's containers, in the lab's words."""

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address
from typing import Any

from docker.models.containers import Container
from docker.models.networks import Network

from macula_lab.engines.contract import Host
from macula_lab.engines.docker import labels


def by_service(containers: Iterable[Container]) -> dict[str, Container]:
    """The containers of a project by service, in the order of their names; further ones of a service as web.2, web.3.

    What `compose run` made beside the services is left out.
    """
    found = {}
    for container in containers:
        told = container.labels
        if labels.SERVICE not in told or told.get(labels.ONE_OFF) == "True":
            continue
        number = told.get(labels.NUMBER, "1")
        found[told[labels.SERVICE] if number == "1" else f"{told[labels.SERVICE]}.{number}"] = container
    return dict(sorted(found.items()))


def host(service: str, attributes: Mapping[str, Any], network_names: Mapping[str, str]) -> Host:
    """A container's attributes as a Host; `network_names` are the file's names of the engine's networks."""
    inspected = attributes["State"]
    addresses = {
        network_names.get(name, name): IPv4Address(endpoint["IPAddress"])
        for name, endpoint in attributes["NetworkSettings"]["Networks"].items()
        if endpoint.get("IPAddress")
    }
    return Host(service, state(inspected), inspected["Status"] == "running", addresses)


def state(inspected: Mapping[str, Any]) -> str:
    """running, running (starting), running (healthy), exited (1), ..."""
    if inspected["Status"] == "exited":
        return f"exited ({inspected['ExitCode']})"
    health = (inspected.get("Health") or {}).get("Status") if inspected["Status"] == "running" else None
    return f"{inspected['Status']} ({health})" if health else str(inspected["Status"])


def names_in_file(networks: Iterable[Network]) -> dict[str, str]:
    """By the engine's name of a network: its name in the compose file."""
    found = {}
    for network in networks:
        attributes = network.attrs or {}
        found[str(attributes["Name"])] = str((attributes.get("Labels") or {}).get(labels.NETWORK, attributes["Name"]))
    return found
