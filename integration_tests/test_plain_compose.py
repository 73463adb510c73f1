"""A topology by compose alone: the images and the file are all that a person needs who does not use the lab."""

import os
import shlex
from collections.abc import Iterator

import pytest
from pytest_docker.plugin import get_docker_services

from asking import WHOAMI, eventually
from labs import PREFIX
from macula_lab import machine
from macula_lab.composefile.load import load
from macula_lab.engines.docker import command
from macula_lab.errors import LabError
from macula_lab.lab import DOCKER, make, resolve
from macula_lab.mesh.mesh import Mesh
from macula_lab.report import Reporter

NETWORK = os.environ.get("LAB_TEST_PLAIN_NETWORK", "10.98")
PROJECT = f"{PREFIX}-plain"


@pytest.fixture(scope="module")
def mesh() -> Iterator[Mesh]:
    """compose/nat-pair.yaml, brought up and down by nothing but compose."""
    machine.ensure(DOCKER, Reporter())
    variables = {"LAB_NETWORK": NETWORK, "NAT_A": "symmetric"}
    compose = command.ensure(Reporter())
    words = shlex.join(["env", *(f"{name}={value}" for name, value in variables.items()), *compose])
    file = resolve("nat-pair")
    with get_docker_services(words, str(file), PROJECT, ["down -v -t 1", "up -d"], ["down -v -t 5"]):
        yield Mesh(make(DOCKER, load(file, variables), PROJECT))


def answered_by(mesh: Mesh, caller: str, provider: str) -> str:
    """Who answers a call, by name; empty while nobody does."""
    try:
        node = mesh.status(provider).node_id
        return str(mesh.exec_json(caller, ["call", WHOAMI, "{}", "--to", node])["result"]["name"])
    except LabError:
        return ""


def test_edges_behind_nats_reach_each_other(mesh: Mesh) -> None:
    assert eventually("edge_a calls edge_b", lambda: answered_by(mesh, "edge_a", "edge_b"), 60) == "edge_b"


def test_the_router_is_the_nat_that_the_file_names(mesh: Mesh) -> None:
    shown = mesh.engine.execute("nat_a", ["macula-router", "show", "--json"])

    assert '"mapping=apdm,filtering=apdf,ports=random"' in shown.stdout
