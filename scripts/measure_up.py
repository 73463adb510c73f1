"""How long Docker takes for a topology, by itself and with the lab: `.venv/bin/python scripts/measure_up.py nat-pair`.

By itself: the same networks and containers, with the same settings, made and started through the engine's interface
from parallel threads. With the lab: DockerEngine.start for the routers, then for everything. Self-check and mesh are
left out of both. The two take turns, and each is told by its median.
"""

import argparse
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from docker import DockerClient
from docker.types import EndpointConfig, NetworkingConfig

from macula_lab import machine
from macula_lab.composefile.load import load
from macula_lab.engines.docker import daemon, labels, removal
from macula_lab.engines.docker.engine import DockerEngine
from macula_lab.lab import DOCKER, resolve
from macula_lab.report import Reporter

PROJECT = "macula-measured"
WORKERS = 8


@dataclass(frozen=True)
class Blueprint:
    """What compose made of a file, as the engine describes it."""

    networks: list[dict[str, Any]]
    containers: list[dict[str, Any]]


def describe(client: DockerClient) -> Blueprint:
    """The networks and containers of a lab that is up."""
    chosen = labels.selected({labels.PROJECT: PROJECT})
    networks = [network.attrs or {} for network in client.networks.list(filters=chosen)]
    return Blueprint(networks, [found.attrs for found in client.containers.list(all=True, filters=chosen)])


def bare(client: DockerClient, blueprint: Blueprint) -> float:
    """Seconds that the engine takes for it."""
    api = client.api

    def make_network(told: dict[str, Any]) -> None:
        api.create_network(
            told["Name"], driver=told["Driver"], options=told["Options"], ipam=told["IPAM"], labels=told["Labels"]
        )

    def make_container(told: dict[str, Any]) -> str:
        endpoints = {
            name: EndpointConfig(api._version, ipv4_address=endpoint["IPAMConfig"]["IPv4Address"])
            for name, endpoint in told["NetworkSettings"]["Networks"].items()
        }
        (first, endpoint), *others = endpoints.items()
        told["HostConfig"]["NetworkMode"] = first
        settings = {
            **{key: told["Config"][key] for key in ("Image", "Env", "Cmd", "Labels")},
            "HostConfig": told["HostConfig"],
            "NetworkingConfig": NetworkingConfig({first: endpoint}),
        }
        made: str = api.create_container_from_config(settings, told["Name"].lstrip("/"))["Id"]
        for name, endpoint in others:
            api.connect_container_to_network(made, name, ipv4_address=endpoint["IPAMConfig"]["IPv4Address"])
        return made

    start = time.monotonic()
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(make_network, blueprint.networks))
        made = list(pool.map(make_container, blueprint.containers))
        list(pool.map(api.start, made))
    return time.monotonic() - start


def with_the_lab(engine: DockerEngine) -> float:
    """Seconds that the lab takes for it."""
    start = time.monotonic()
    engine.start([router.name for router in engine.plan.routers()])
    engine.start()
    return time.monotonic() - start


def main() -> None:
    """Measure a topology."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("topology", nargs="?", default="nat-pair")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    plan = load(resolve(asked.topology), os.environ)
    machine.ensure(DOCKER, Reporter())
    machine.ensure_images(DOCKER, plan, Reporter())
    client = daemon.client()

    def removed() -> None:
        removal.remove_project(client, PROJECT, lambda _line: None)

    removed()
    with_the_lab(DockerEngine(plan, PROJECT))
    blueprint = describe(client)
    removed()
    alone, lab = [], []
    try:
        for number in range(1, asked.rounds + 1):
            alone.append(bare(client, blueprint))
            removed()
            lab.append(with_the_lab(DockerEngine(plan, PROJECT)))
            removed()
            print(f"round {number}: Docker alone {alone[-1]:.2f} s, with the lab {lab[-1]:.2f} s", flush=True)
    finally:
        removed()
    one, other = statistics.median(alone), statistics.median(lab)
    print(
        f"{plan.name}: {len(blueprint.networks)} networks, {len(blueprint.containers)} containers;"
        f" median {one:.2f} s alone, {other:.2f} s with the lab: {other / one:.2f} times"
    )


if __name__ == "__main__":
    main()
