"""What the lab makes in Docker without compose is what compose makes of the same file."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from docker import DockerClient

from macula_lab import machine
from macula_lab.composefile.load import load
from macula_lab.composefile.plan import Plan
from macula_lab.engines.docker import command, daemon, direct, labels, removal
from macula_lab.lab import DOCKER, resolve
from macula_lab.process import ignore, run
from macula_lab.report import Reporter
from macula_lab.workspace import topologies

NETWORK = "10.99"
PROJECT = "macula-test-agrees"

CONFIG = ["Cmd", "Entrypoint", "Image", "User", "WorkingDir", "ExposedPorts", "Healthcheck", "StopSignal", "Tty"]
"""Of a container, beside its labels, environment, networks and everything in HostConfig."""


@pytest.fixture
def client() -> Iterator[DockerClient]:
    """The engine, without anything of this project."""
    machine.ensure(DOCKER, Reporter())
    machine.ensure_images(DOCKER, load(resolve("mesh"), {}), Reporter())
    with closing(daemon.client()) as found:
        removal.remove_project(found, PROJECT, ignore)
        yield found
        removal.remove_project(found, PROJECT, ignore)


def told(client: DockerClient) -> dict[str, Any]:
    """What the engine says about the project, as far as compose is answerable for it; then it is removed."""
    ours = labels.selected({labels.PROJECT: PROJECT})
    found: dict[str, Any] = {}
    for network in client.networks.list(filters=ours):
        attributes = network.attrs or {}
        found[f"network {attributes['Name']}"] = {
            key: attributes[key] for key in ("Driver", "EnableIPv6", "IPAM", "Internal", "Options")
        }
    for container in client.containers.list(all=True, filters=ours):
        attributes = container.attrs
        own = {key: value for key, value in container.labels.items() if not key.startswith("com.docker.compose")}
        networks = attributes["NetworkSettings"]["Networks"]
        host = {key: value for key, value in attributes["HostConfig"].items() if value}
        found[container.labels[labels.SERVICE]] = {
            "environment": sorted(attributes["Config"]["Env"]),
            "labels": own,
            "config": {key: attributes["Config"].get(key) for key in CONFIG},
            # Any of its networks may be the one it is made in.
            "host": {**host, "NetworkMode": host["NetworkMode"] in networks},
            "network": {
                name: (endpoint["IPAMConfig"], sorted(set(endpoint["Aliases"] or []) - {container.short_id}))
                for name, endpoint in networks.items()
            },
        }
    removal.remove_project(client, PROJECT, ignore)
    return found


def made_by_compose(client: DockerClient, plan: Plan) -> dict[str, Any]:
    """Compose makes it, and starts it: compose 1.29 gives containers all their networks only then."""
    argv = [*command.require(), "-p", PROJECT, "-f", str(plan.file), "up", "-d"]
    run(argv, env=plan.variables, timeout=100)
    return told(client)


@pytest.mark.parametrize("topology", topologies())
def test_no_topology_of_the_lab_needs_compose(topology: str) -> None:
    assert direct.suffices(load(resolve(topology), {}))


@pytest.mark.parametrize("topology", ["nat-pair", "mesh"])
def test_networks_and_containers_are_the_same(client: DockerClient, topology: str) -> None:
    plan = load(resolve(topology), {"LAB_NETWORK": NETWORK})
    expected = made_by_compose(client, plan)

    direct.make(client, plan, PROJECT, ignore)

    assert set(expected) >= set(plan.services)
    assert told(client) == expected
