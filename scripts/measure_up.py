"""How long Docker takes for a topology, by itself and with the lab: `.venv/bin/python scripts/measure_up.py nat-pair`.

By itself: the same networks and containers, with the same settings, made and started through the engine's interface
from parallel threads. With the lab: DockerEngine.start for the routers, then for everything. Both are then waited for
in the same way until the nodes are a mesh. Proving routers and mesh is left out of both. The two take turns, and each
is told by its median: until everything runs, and until the mesh is ready.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from docker import DockerClient
from docker.types import EndpointConfig, NetworkingConfig

from macula_lab import machine
from macula_lab.composefile.load import load
from macula_lab.engines.docker import daemon, labels, removal
from macula_lab.engines.docker.engine import DockerEngine
from macula_lab.lab import DOCKER, resolve
from macula_lab.mesh.mesh import Mesh
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


def bare(client: DockerClient, blueprint: Blueprint) -> None:
    """Let the engine alone make and start it."""
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

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(make_network, blueprint.networks))
        made = list(pool.map(make_container, blueprint.containers))
        list(pool.map(api.start, made))


def with_the_lab(engine: DockerEngine) -> None:
    """Let the lab make and start it."""
    engine.start([router.name for router in engine.plan.routers()])
    engine.start()


class Took(NamedTuple):
    """Seconds from nothing."""

    running: float
    ready: float


def timed(start: Callable[[], None], mesh: Mesh) -> Took:
    """What `start` takes until everything runs, and until the mesh is ready."""
    begun = time.monotonic()
    start()
    running = time.monotonic() - begun
    if mesh.nodes():
        mesh.wait_ready()
    return Took(running, time.monotonic() - begun)


def told(alone: Sequence[float], lab: Sequence[float]) -> str:
    """Both medians and how many times the one is the other."""
    one, other = statistics.median(alone), statistics.median(lab)
    return f"{one:.2f} s alone, {other:.2f} s with the lab: {other / one:.2f} times"


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
            engine = DockerEngine(plan, PROJECT)
            alone.append(timed(partial(bare, client, blueprint), Mesh(engine)))
            removed()
            engine = DockerEngine(plan, PROJECT)
            lab.append(timed(partial(with_the_lab, engine), Mesh(engine)))
            removed()
            print(f"round {number}: {told([alone[-1].ready], [lab[-1].ready])}", flush=True)
    finally:
        removed()
    print(f"{plan.name}: {len(blueprint.networks)} networks, {len(blueprint.containers)} containers; medians")
    print(f"  running  {told([took.running for took in alone], [took.running for took in lab])}")
    print(f"  ready    {told([took.ready for took in alone], [took.ready for took in lab])}")


if __name__ == "__main__":
    main()
