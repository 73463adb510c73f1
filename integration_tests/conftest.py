"""Topologies that are brought up once per session, beside whatever `make up` has running, and evidence of failures."""

import os
import re
import shlex
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import pytest
from pytest_docker.plugin import get_docker_services

from macula_lab.cli.main import prepare
from macula_lab.report import Reporter
from macula_lab.topology import Topology
from macula_lab.workspace import state_file

NETWORKS = os.environ.get("LAB_TEST_NETWORKS", "172.23 172.24 172.25").split()
"""First two octets of the addresses: of the mesh, of the multi-hop topology, of the mesh whose nodes are stopped."""

# Its helper container would have to come from an image registry; `make clean` removes what a killed session leaves.
os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")

SETUP = ["down -v --remove-orphans -t 1", "up -d"]
CLEANUP = ["down -v --remove-orphans -t 5"]

STARTED = pytest.StashKey[dict[str, Topology]]()


@pytest.fixture(scope="session")
def compose() -> tuple[str, ...]:
    """The compose command, once engine and images are there too."""
    return prepare(Reporter())


@pytest.fixture(scope="session")
def mesh(compose: tuple[str, ...], request: pytest.FixtureRequest) -> Iterator[Topology]:
    """compose/mesh.yaml, ready."""
    with started(Topology("mesh", compose, "macula-test-mesh", NETWORKS[0]), "mesh", request.config) as topology:
        yield topology


@pytest.fixture(scope="session")
def multi_hop(compose: tuple[str, ...], request: pytest.FixtureRequest) -> Iterator[Topology]:
    """compose/multi-hop.yaml, ready."""
    topology = Topology("multi-hop", compose, "macula-test-multi-hop", NETWORKS[1])
    with started(topology, "multi_hop", request.config) as ready:
        yield ready


@pytest.fixture(scope="session")
def churn(compose: tuple[str, ...], request: pytest.FixtureRequest) -> Iterator[Topology]:
    """compose/mesh.yaml, ready, for the cases that stop and kill nodes; each leaves it complete again."""
    with started(Topology("mesh", compose, "macula-test-churn", NETWORKS[2]), "churn", request.config) as topology:
        yield topology


@contextmanager
def started(topology: Topology, fixture: str, config: pytest.Config) -> Iterator[Topology]:
    """Bring a topology up, wait until its mesh is complete, take it down in the end."""
    variables = [f"{name}={value}" for name, value in topology.environment().items()]
    command = shlex.join(["env", *variables, *topology.compose])
    with get_docker_services(command, str(topology.file), topology.project, SETUP, CLEANUP):
        config.stash.setdefault(STARTED, {})[fixture] = topology
        topology.wait_ready()
        yield topology


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep what explains a failure (logs, each node's status, the containers) and say where."""
    report = yield
    topologies = item.config.stash.get(STARTED, {})
    used = [topology for name, topology in topologies.items() if name in getattr(item, "fixturenames", ())]
    if report.failed and used:
        name = re.sub(r"\W+", "-", item.nodeid).strip("-")
        folder = state_file("evidence") / f"{time.strftime('%Y%m%d-%H%M%S')}-{name}"
        for topology in used:
            kept = topology.collect(folder / topology.project)
            report.sections.append((f"evidence of {topology.project}", str(kept)))
    return report
