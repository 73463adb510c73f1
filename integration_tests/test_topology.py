"""What the containers are, before anything is asked of the mesh in them."""

import pytest

from macula_lab.topology import ROUTER, Topology, role, state

NODES = ["bootstrap", "edge1", "edge2", "edge3", "gateway"]
ADDRESSES = {"bootstrap": 10, "gateway": 20, "edge1": 31, "edge2": 32, "edge3": 33}


def test_five_nodes_run_and_are_healthy(mesh: Topology) -> None:
    assert mesh.nodes() == NODES
    assert {name: state(container) for name, container in mesh.containers().items()} == dict.fromkeys(
        NODES, "running (healthy)"
    )


@pytest.mark.parametrize("service", NODES)
def test_a_node_has_no_capability_and_is_not_root(mesh: Topology, service: str) -> None:
    code, output, _ = mesh.execute(service, ["cat", "/proc/1/status"])
    status = {name: value for name, _, value in (line.partition(":\t") for line in output.splitlines())}

    assert code == 0
    assert {int(uid) for uid in status["Uid"].split()} == {10001}
    assert {int(status[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}


@pytest.mark.parametrize("service", NODES)
def test_a_node_has_the_address_of_its_name(mesh: Topology, service: str) -> None:
    networks = mesh.container(service).attrs["NetworkSettings"]["Networks"].values()

    assert [network["IPAddress"] for network in networks] == [f"{mesh.network}.0.{ADDRESSES[service]}"]


def test_the_image_is_labelled_with_the_version_and_commit_that_the_nodes_report(mesh: Topology) -> None:
    image = mesh.container("bootstrap").image
    labels = image.labels if image else {}
    status = mesh.status("bootstrap")

    assert labels["org.opencontainers.image.version"] == status.version
    assert labels["org.opencontainers.image.revision"] == status.commit


def test_only_routers_have_net_admin(multi_hop: Topology) -> None:
    added = {name: container.attrs["HostConfig"]["CapAdd"] for name, container in multi_hop.containers().items()}
    routers = [name for name, container in multi_hop.containers().items() if role(container) == ROUTER]

    assert routers == ["router_1", "router_2"]
    assert {name: granted or [] for name, granted in added.items()} == {
        name: ["NET_ADMIN"] if name in routers else [] for name in added
    }
