"""A small lab, a home behind its router, brought up and down by commands as a person types them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from labs import PREFIX
from macula_lab import machine
from macula_lab.composefile.load import load
from macula_lab.engines.contract import Engine
from macula_lab.engines.docker import daemon, labels
from macula_lab.engines.netns.project import Project
from macula_lab.lab import DOCKER, NETNS, make
from macula_lab.report import Reporter
from macula_lab.workspace import COMPOSE

LAB = str(Path(sys.executable).with_name("macula-lab"))

NETWORK = os.environ.get("LAB_TEST_UP_NETWORK", "10.97")
"""First two octets of the addresses of these labs: one at a time."""

PROJECT = f"{PREFIX}-up"

NETWORKS = f"""
x-lan: &lan
  com.docker.network.bridge.inhibit_ipv4: "true"
  com.docker.network.bridge.enable_ip_masquerade: "false"
networks:
  public: {{driver_opts: *lan, ipam: {{config: [{{subnet: {NETWORK}.0.0/24, gateway: {NETWORK}.0.2}}]}}}}
  lan: {{driver_opts: *lan, ipam: {{config: [{{subnet: {NETWORK}.1.0/24, gateway: {NETWORK}.1.2}}]}}}}
"""

ROUTER = f"""
services:
  nat:
    image: macula-router
    cap_drop: [ALL]
    cap_add: [NET_ADMIN]
    sysctls: {{net.ipv4.ip_forward: "1"}}
    environment: {{WAN: {NETWORK}.0.0/24, NAT: "${{NAT:-home}}", ADDRESSES: {NETWORK}.1.2/24}}
    networks: {{public: {{ipv4_address: {NETWORK}.0.21}}, lan: {{ipv4_address: {NETWORK}.1.3}}}}
"""

NODES = f"""
  bootstrap:
    image: macula-node
    labels: {{macula.role: bootstrap}}
    environment: {{MACULA_MODE: bootstrap, MACULA_REALM: org.example.mesh, MACULA_DEMO: "true"}}
    networks: {{public: {{ipv4_address: {NETWORK}.0.10}}}}
  edge:
    image: macula-node
    labels: {{macula.role: edge}}
    environment:
      MACULA_REALM: org.example.mesh
      MACULA_DEMO: "true"
      MACULA_REACHABLE: "no"
      MACULA_BOOTSTRAP_PEERS: {NETWORK}.0.10:9443
    networks: {{lan: {{ipv4_address: {NETWORK}.1.31}}}}
    depends_on: [nat, bootstrap]
"""


@cache
def prepare(engine: str) -> None:
    """What an engine needs, and our images, where a test looks at it before any `up`."""
    machine.ensure(engine, Reporter())
    machine.ensure_images(engine, load(COMPOSE / "mesh.yaml", {}), Reporter())


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    """A NAT with a node behind it and one in front. Whatever a test leaves of it is removed."""
    path = tmp_path / "home.yaml"
    path.write_text(ROUTER + NODES + NETWORKS)
    yield path
    typed("down", "--project", PROJECT)


@pytest.fixture(params=[DOCKER, NETNS])
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine."""
    prepare(request.param)
    return str(request.param)


def command(*argv: str, engine: str = "") -> list[str]:
    """`macula-lab ARGV` for the project of these tests."""
    return [
        LAB,
        *argv,
        *(["--project", PROJECT] if "--project" not in argv else []),
        *(["--engine", engine] * bool(engine)),
    ]


def typed(*argv: str, engine: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """`macula-lab ARGV`, to its end."""
    env = {**os.environ, **environment}
    return subprocess.run(command(*argv, engine=engine), capture_output=True, text=True, env=env, timeout=200)


def brought_up(file: Path, engine: str, **environment: str) -> Any:
    """The JSON of an `up` that succeeds."""
    ended = typed("up", str(file), "--json", engine=engine, **environment)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def refused(file: Path, engine: str, **environment: str) -> str:
    """What an `up` says that fails."""
    ended = typed("up", str(file), engine=engine, **environment)
    assert (ended.returncode, ended.stdout) == (1, ""), ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stderr


def opened(file: Path, engine: str, project: str = PROJECT) -> Engine:
    """The engine, to look at what is there."""
    return make(engine, load(file, {}), project)


def left(engine: str, project: str = PROJECT) -> list[str]:
    """Whatever of a project the machine has."""
    if engine == NETNS:
        of_it = Project(project)
        return [*of_it.namespaces(), *([str(of_it.folder)] if of_it.folder.exists() else [])]
    with closing(daemon.client()) as client:
        mine, helping = labels.selected({labels.PROJECT: project}), labels.selected({labels.HELPER_OF: project})
        containers = [
            *client.containers.list(all=True, filters=mine),
            *client.containers.list(all=True, filters=helping),
        ]
        networks = client.networks.list(filters=mine)
        return [*(str(one.name) for one in containers), *(str(one.name) for one in networks)]


@contextmanager
def running_up(file: Path, engine: str, until: str) -> Iterator[subprocess.Popen[str]]:
    """An `up` that has come as far as the step `until`. Ctrl-C ends it even in a shell's background."""
    argv = ["env", "--default-signal=INT", *command("up", str(file), engine=engine)]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        seen = []
        for line in process.stderr:
            seen.append(line)
            if line.startswith(until):
                break
        else:
            pytest.fail(f"`up` never came to {until!r}: {seen}")
        yield process


def alone(third: int) -> str:
    """A network of its own."""
    return f"networks: {{net: {{ipam: {{config: [{{subnet: {NETWORK}.{third}.0/24}}]}}}}}}\n"
