"""What the containers are, before anything is asked of the mesh in them."""

import pytest

from asking import eventually
from macula_lab.composefile.plan import NODE_IMAGE
from macula_lab.engines.docker import daemon
from macula_lab.mesh.mesh import Mesh

NODES = ["bootstrap", "edge1", "edge2", "edge3", "gateway"]


def test_five_nodes_run_and_are_healthy(mesh: Mesh) -> None:
    assert mesh.nodes() == NODES
    healthy = dict.fromkeys(NODES, "running (healthy)")
    eventually("all are", lambda: {name: host.state for name, host in mesh.engine.hosts().items()} == healthy)


@pytest.mark.parametrize("service", NODES)
def test_a_node_has_no_capability_and_is_not_root(mesh: Mesh, service: str) -> None:
    asked = mesh.execute(service, ["cat", "/proc/1/status"])
    status = {name: value for name, _, value in (line.partition(":\t") for line in asked.stdout.splitlines())}

    assert asked.code == 0
    assert {int(uid) for uid in status["Uid"].split()} == {10001}
    assert {int(status[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}


@pytest.mark.parametrize("service", NODES)
def test_a_node_has_the_address_of_the_file(mesh: Mesh, service: str) -> None:
    assert [str(address) for address in mesh.engine.hosts()[service].addresses.values()] == [mesh.address(service)]


def test_the_image_is_labelled_with_the_version_and_commit_that_the_nodes_report(mesh: Mesh) -> None:
    client = daemon.client()
    labels = client.images.get(NODE_IMAGE).labels
    client.close()
    status = mesh.status("bootstrap")

    assert labels["org.opencontainers.image.version"] == status.version
    assert labels["org.opencontainers.image.revision"] == status.commit


def test_routers_are_told_from_nodes(multi_hop: Mesh) -> None:
    told = {member.service: (member.role, member.nat) for member in multi_hop.members()}

    assert told["router_1"] == told["router_2"] == ("router", "plain router")
    assert told["edge_a"] == ("edge", "")
