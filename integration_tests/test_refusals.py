"""What is wrong is told with its key and its remedy, and nothing is left behind."""

import json
import socket
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from asking import eventually
from home_lab import (
    LAB,
    NETWORK,
    NETWORKS,
    NODES,
    PROJECT,
    ROUTER,
    alone,
    brought_up,
    left,
    opened,
    prepare,
    refused,
    typed,
)
from macula_lab import records
from macula_lab.composefile.plan import NODE_IMAGE
from macula_lab.engines.docker import daemon
from macula_lab.lab import DOCKER, NETNS

pytestmark = pytest.mark.timeout(300)


def test_a_router_that_is_not_what_it_is_called_is_refused_and_stays(file: Path, engine: str) -> None:
    wrong = ROUTER.replace(
        "    image: macula-router\n",
        "    image: macula-router\n    command: [env, NAT=symmetric, macula-router, serve]\n",
    )
    file.write_text(wrong + NODES + NETWORKS)

    told = refused(file, engine, NAT="full_cone")

    for word in ("nat", "mapping", "eim", "apdm", "filtering", f"macula-lab ps --project {PROJECT}", "macula-lab down"):
        assert word in told
    hosts = opened(file, engine).hosts()
    assert hosts["nat"].running
    assert not any(host.running for name, host in hosts.items() if name != "nat")


def test_a_router_that_may_not_route_says_what_it_lacks(file: Path, engine: str) -> None:
    file.write_text(ROUTER.replace("    cap_add: [NET_ADMIN]\n", "") + NODES + NETWORKS)

    told = refused(file, engine)

    assert "the router nat does not come up" in told or engine == NETNS
    assert "cap_add: [NET_ADMIN]" in told


def test_any_image_runs_in_containers(file: Path) -> None:
    prepare(DOCKER)
    with closing(daemon.client()) as client:
        client.images.get(NODE_IMAGE).tag("somebody/program", "7")
    try:
        program = """
  client: {image: "somebody/program:7", command: [sleep, infinity], networks: {lan: {}}, depends_on: [nat]}
  server: {image: "somebody/program:7", command: "sh -c 'echo served; sleep 600'", networks: [public],
           healthcheck: {disable: true}}
"""
        file.write_text(ROUTER + program + NETWORKS)

        told = brought_up(file, DOCKER)

        assert told["proof"] is None
        shown = {member["service"]: (member["image"], member["nat"]) for member in told["nodes"]}
        assert shown == {
            "client": ("somebody/program:7", "behind nat"),
            "nat": ("macula-router", "home"),
            "server": ("somebody/program:7", ""),
        }
        eventually("its log", lambda: "served" in typed("logs", "server").stdout)
        assert "somebody/program:7" in typed("ps").stdout
        assert "services.client.image" in refused_on_the_other(file)
    finally:
        typed("down")
        with closing(daemon.client()) as client:
            client.images.remove("somebody/program:7")


def refused_on_the_other(file: Path) -> str:
    """What network namespaces say of a file with somebody's image."""
    ended = typed("up", str(file), "--project", "macula-test-other", engine=NETNS)
    assert ended.returncode == 1
    assert left(NETNS, "macula-test-other") == []
    assert "macula-test-other" not in records.every()
    return ended.stderr


@pytest.mark.parametrize("nat", ["cone", "home,hairpin=perhaps", "none,sessions=5"])
def test_a_nat_that_does_not_exist_is_named_before_anything_is_made(file: Path, engine: str, nat: str) -> None:
    told = refused(file, engine, NAT=nat)

    assert "services.nat.environment: NAT: " in told
    assert left(engine) == []
    assert PROJECT not in records.every()


def test_a_subnet_that_somebody_has_is_named_with_its_owner(file: Path) -> None:
    prepare(DOCKER)
    taken = file.with_name("taken.yaml")
    taken.write_text(f"services: {{alone: {{image: macula-node, networks: [net]}}}}\n{alone(1)}")
    neighbour = opened(taken, DOCKER, "macula-test-neighbour")
    try:
        neighbour.start()

        told = refused(file, DOCKER)
    finally:
        neighbour.down()

    assert f"networks.lan: {NETWORK}.1.0/24 overlaps Docker's network macula-test-neighbour_net" in told
    assert "LAB_NETWORK" in told
    assert left(DOCKER) == []


def test_a_busy_port_is_named_with_its_key(file: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as busy:
        port = busy.getsockname()[1]
        published = f"  bootstrap:\n    ports: ['127.0.0.1:{port}:8080']\n"
        file.write_text(ROUTER + NODES.replace("  bootstrap:\n", published) + NETWORKS)

        assert f"services.bootstrap.ports: port {port} of this machine is busy" in refused(file, DOCKER)

    assert typed("down").returncode == 0
    assert left(DOCKER) == []


def test_an_image_that_does_not_exist_is_named_with_its_key(file: Path) -> None:
    file.write_text(ROUTER + NODES.replace("macula-node", "nowhere.invalid/nothing:1") + NETWORKS)

    assert "services.bootstrap.image: there is no image nowhere.invalid/nothing:1" in refused(file, DOCKER)
    assert left(DOCKER) == []


def test_an_engine_that_does_not_answer_is_told_with_what_to_do(file: Path) -> None:
    told = refused(file, DOCKER, DOCKER_HOST="unix:///nowhere/docker.sock")

    assert "no Docker engine answers" in told
    assert "DOCKER_HOST is unix:///nowhere/docker.sock" in told


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["up", "nosuch"], ["there is no topology 'nosuch'", "nat-pair"]),
        (["up", "mesh", "--engine", "podman"], ["--engine: there is no engine 'podman'", "docker, netns"]),
        (["ps", "--project", "macula-test-nobody"], ["macula-test-nobody is not up", "macula-lab up"]),
        (["up", "mesh", "--project", "Not Good"], ["--project: 'Not Good' is no project name"]),
    ],
)
def test_what_is_typed_wrong_is_told_with_what_would_be_right(argv: list[str], words: list[str]) -> None:
    ended = typed(*argv)

    assert ended.returncode == 1
    assert [word for word in words if word not in ended.stderr] == []


def test_what_is_not_there_inside_a_lab_is_told_with_what_is(file: Path) -> None:
    brought_up(file, NETNS)

    for argv in (["exec", "--project", PROJECT, "edge9", "--", "true"], ["logs", "edge9"]):
        told = typed(*argv).stderr
        assert f"{PROJECT} has no service 'edge9'" in told
        assert "choose one of: bootstrap, edge, nat" in told


def test_a_lab_that_fits_no_name_is_chosen_by_its_project(file: Path) -> None:
    brought_up(file, NETNS)

    ended = subprocess.run([LAB, "ps", str(file), "--json"], capture_output=True, text=True, check=True)

    assert json.loads(ended.stdout)["project"] == PROJECT
    assert typed("ps").returncode == 0
