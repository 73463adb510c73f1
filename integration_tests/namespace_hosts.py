"""Small topologies of plain programs for the suites of the namespace engine, and what to ask of them."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from macula_lab.composefile.load import load
from macula_lab.engines.netns import project as places
from macula_lab.engines.netns.engine import NamespaceEngine
from macula_lab.workspace import STATE

COUNT = """
import pathlib, select
count = 0
while True:
    count += 1
    pathlib.Path("count").write_text(str(count))
    select.select([], [], [], 0.01)
"""

COUNTING = f"""
import signal, subprocess, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
subprocess.Popen([sys.executable, "-c", {COUNT!r}])
print("counting", flush=True)
while True:
    signal.pause()
"""
"""A host whose child counts in its folder, and that ends when it is asked to."""

# `ping` carries a capability that no host here may have; the kernel answers for those who ask without.
PING = """
import socket, struct, sys
asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
asking.settimeout(1)
asking.sendto(struct.pack("!BBHHH", 8, 0, 0, 0, 1), (sys.argv[1], 0))
asking.recv(100)
"""

HOSTS = """
x-host: &host
  image: macula-node
  init: true
  cap_drop: [ALL]
  security_opt: ["no-new-privileges:true"]
services:
  router:
    image: macula-router
    cap_drop: [ALL]
    cap_add: [NET_ADMIN]
    sysctls: {net.ipv4.ip_forward: "1"}
    labels: {macula.role: router}
    environment: {ADDRESSES: 10.1.1.2/24 10.1.2.2/24}
    networks: {left: {ipv4_address: 10.1.1.3}, right: {ipv4_address: 10.1.2.3}}
  left:
    <<: *host
    command: [python3, -c, "$COUNTING"]
    environment: {GREETING: hello, KEPT: /var/lib/macula/kept}
    sysctls: {net.ipv4.ip_default_ttl: "33"}
    networks: {left: {ipv4_address: 10.1.1.31}}
    depends_on: [router]
  right:
    <<: *host
    command: [sleep, infinity]
    networks: {right: {ipv4_address: 10.1.2.32}}
    depends_on: [router]
  other:
    <<: *host
    command: [sleep, infinity]
    networks: [left]
networks:
  left: {ipam: {config: [{subnet: 10.1.1.0/24, gateway: 10.1.1.2}]}}
  right: {ipam: {config: [{subnet: 10.1.2.0/24, gateway: 10.1.2.2}]}}
"""

Make = Callable[..., NamespaceEngine]


def leftovers(project: str) -> dict[str, object]:
    """What a project has on this machine."""
    marks = (f"{STATE}/netns/{project}".encode(), f"macula-lab.{project}".encode())
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdigit() and any(mark in (folder / "cmdline").read_bytes() for mark in marks):
                found.append(folder.name)
    names = [
        name for name in places.existing() if name.startswith((f"macula-lab.{project}.", f"macula-lab.{project}:"))
    ]
    files = [path.name for path in (STATE / "netns").glob(f"{project}*") if path.name in (project, f"{project}.lock")]
    return {"processes": found, "namespaces": names, "files": files}


NOTHING: dict[str, object] = {"processes": [], "namespaces": [], "files": []}


def pings(engine: NamespaceEngine, service: str, address: str) -> bool:
    """Whether an address answers a service within a second."""
    return engine.execute(service, ["python3", "-c", PING, address]).code == 0


def pid_of(engine: NamespaceEngine, service: str) -> int:
    """The process id of a service's program, as a person's shell would find it."""
    target = engine.interactive(service, ["true"], terminal=False)[1]
    return int(target.removeprefix("--target="))


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes engines for compose files of a text; all are taken down in the end, and must leave nothing behind."""
    made: list[NamespaceEngine] = []

    def of(text: str | Path = HOSTS, name: str = "hosts", **environ: str) -> NamespaceEngine:
        file = text if isinstance(text, Path) else tmp_path / f"{name}.yaml"
        if isinstance(text, str):
            file.write_text(text)
        plan = load(file, {"COUNTING": COUNTING, **environ})
        made.append(NamespaceEngine(plan, f"macula-test-engine-{name}-{os.getpid()}"))
        return made[-1]

    try:
        yield of
    finally:
        for engine in made:
            engine.down()
    for engine in made:
        assert leftovers(engine.project) == NOTHING, leftovers(engine.project)
