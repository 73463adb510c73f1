"""Labs that are brought up once per session, beside whatever `make up` has running, and evidence of failures."""

import os
import re
import time
from collections.abc import Generator

import pytest

from home_lab import engine, file
from labs import Labs, labs
from macula_lab.engines.contract import Engine
from macula_lab.evidence.collect import collect
from macula_lab.lab import DOCKER
from macula_lab.mesh.mesh import Mesh
from macula_lab.workspace import state_file
from namespace_hosts import make
from suites import NEXT_DOOR, SuiteMesh, Way, behind_nats

__all__ = ["engine", "file", "labs", "make"]

NETWORKS = os.environ.get("LAB_TEST_NETWORKS", "172.23 172.24 172.25").split()
"""First two octets of the addresses: of the mesh, of the multi-hop topology, of the mesh whose nodes are stopped."""

BEHIND_NATS = {"netns:relayed": "relayed", "netns:direct": "direct"}
"""How edges behind two NATs get to each other."""

# Its helper container would have to come from an image registry; `make clean` removes what a killed session leaves.
os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")


NAMESPACES = {
    "test_events",
    "test_evidence",
    "test_faults_hosts",
    "test_faults_machines",
    "test_faults_networks",
    "test_foreign_programs",
    "test_links",
    "test_matrix_conditions",
    "test_metrics",
    "test_namespace_engine",
    "test_namespace_lifecycle",
    "test_nat_info",
    "test_nat_topologies",
    "test_path_policies",
    "test_recovery",
    "test_relay",
    "test_rolling_upgrade",
    "test_router",
    "test_router_rules",
    "test_selfcheck",
    "test_tcp",
    "test_why",
}
"""Modules whose labs are namespaces, where their parameters do not say docker."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test is one of containers, of namespaces, or of the latter under load, so that these can be run side by
    side, and take about as long."""
    for item in items:
        spaces = "docker" not in item.nodeid and ("netns" in item.nodeid or item.path.stem in NAMESPACES)
        loaded = item.path.stem.startswith("test_faults")
        item.add_marker(("load" if loaded else "namespaces") if spaces else "containers")


@pytest.fixture(scope="session")
def mesh(labs: Labs) -> Mesh:
    """compose/mesh.yaml in containers, ready."""
    return Mesh(labs.up(DOCKER, "mesh", LAB_NETWORK=NETWORKS[0]))


@pytest.fixture(scope="session")
def multi_hop(labs: Labs) -> Mesh:
    """compose/multi-hop.yaml in containers, ready."""
    return Mesh(labs.up(DOCKER, "multi-hop", LAB_NETWORK=NETWORKS[1]))


@pytest.fixture(scope="session")
def churn(labs: Labs) -> Mesh:
    """compose/mesh.yaml in containers, ready, for the cases that stop and kill nodes; each leaves it complete again."""
    return Mesh(labs.up(DOCKER, "mesh", LAB_NETWORK=NETWORKS[2]))


@pytest.fixture(scope="session", params=["docker", *BEHIND_NATS])
def suite(request: pytest.FixtureRequest, labs: Labs) -> SuiteMesh:
    """What the RPC and pub/sub suites run against: the mesh in containers, and edges that are all behind NATs."""
    if request.param in BEHIND_NATS:
        return behind_nats(labs, BEHIND_NATS[request.param])
    return SuiteMesh(request.getfixturevalue("mesh").engine, ("edge1", "edge2", "edge3"), (NEXT_DOOR, NEXT_DOOR))


@pytest.fixture(scope="session", params=["docker", *BEHIND_NATS])
def far_suite(request: pytest.FixtureRequest, labs: Labs) -> SuiteMesh:
    """The same where there are routers between edges: the multi-hop topology, and those NATs."""
    if request.param in BEHIND_NATS:
        return behind_nats(labs, BEHIND_NATS[request.param])
    lab = request.getfixturevalue("multi_hop").engine
    return SuiteMesh(lab, ("edge_a", "edge_b", "edge_c"), (Way("direct", 1), Way("direct", 2)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep what explains a failure, of every lab that the test's fixtures gave it, and say where."""
    report = yield
    engines: dict[str, Engine] = {}
    for value in getattr(item, "funcargs", {}).values():
        used = value.used if isinstance(value, Labs) else [getattr(value, "engine", value)]
        used = [lab for lab in used if hasattr(lab, "plan")]
        engines |= {engine.project: engine for engine in used}
        if isinstance(value, Labs) and report.when == "teardown":
            value.used.clear()
    if report.failed and engines:
        name = re.sub(r"\W+", "-", item.nodeid).strip("-")
        for engine in engines.values():
            folder = state_file(f"evidence/{time.strftime('%Y%m%d-%H%M%S')}-{name}/{engine.project}")
            report.sections.append((f"evidence of {engine.project}", str(collect(engine, folder))))
    return report
