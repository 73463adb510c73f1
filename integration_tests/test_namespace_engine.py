"""The namespace engine: what services and commands find in their places, and what is refused."""

import json
import os
import subprocess
import threading
import time
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from asking import eventually
from macula_lab.engines.netns.engine import NamespaceEngine
from macula_lab.errors import LabError
from macula_lab.workspace import COMPOSE
from namespace_hosts import HOSTS, NOTHING, Make, leftovers, pid_of, pings

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")

NET_ADMIN = 1 << 12

COMMAND_LINES = """
import os, pathlib
for folder in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        if (folder / "ns/net").readlink() == pathlib.Path("/proc/self/ns/net").readlink():
            print((folder / "cmdline").read_bytes().replace(b"\\0", b" ").decode())
    except OSError:
        pass
"""
"""Those in the network namespace of who asks."""

FIFTY = """
x-node: &node {image: macula-node, cap_drop: [ALL]}
# With few holders of each record nodes make few connections, which are all that takes the processor long.
x-bootstrap: &bootstrap {MACULA_MODE: bootstrap, MACULA_REALM: org.example, MACULA_DHT_K: 3}
x-edge: &edge {<<: *bootstrap, MACULA_MODE: edge, MACULA_BOOTSTRAP_PEERS: "10.1.0.9:9443"}
networks: {mesh: {ipam: {config: [{subnet: 10.0.0.0/8}]}}}
services:"""


@pytest.fixture
def lab(make: Make) -> NamespaceEngine:
    """The hosts, up."""
    engine = make()
    engine.start()
    return engine


def status(engine: NamespaceEngine, node: str) -> dict[str, Any]:
    """What a node says of itself; nothing when it does not answer."""
    return dict(json.loads(engine.execute(node, ["macula", "status", "--json"]).stdout or "{}"))


def is_ready(engine: NamespaceEngine, node: str) -> bool:
    """Whether a node is in the mesh."""
    return bool(status(engine, node).get("ready"))


def command_lines(engine: NamespaceEngine, service: str) -> str:
    """What runs in a service's place."""
    return engine.execute(service, ["python3", "-c", COMMAND_LINES]).stdout


def capabilities(status: str) -> dict[str, int]:
    """The capability sets in the text of /proc/PID/status."""
    lines = (line.partition(":") for line in status.splitlines() if line.startswith(("Cap", "NoNewPrivs")))
    return {name: int(value, 16) for name, _, value in lines}


@pytest.mark.parametrize("name", ["mesh", "multi-hop"])
def test_five_nodes_of_one_of_our_topologies_find_and_call_each_other(make: Make, name: str) -> None:
    engine = make(COMPOSE / f"{name}.yaml", name, LAB_NETWORK="10.1")
    engine.start()
    nodes = [service.name for service in engine.plan.services.values() if service.is_node]
    edges = [node for node in nodes if node.startswith("edge")]

    assert len(nodes) == 5
    for node in nodes:
        eventually(f"{node} is ready", partial(is_ready, engine, node))
    target = status(engine, edges[-1])["node_id"]
    argv = ["macula", "call", "org.example.mesh.demo.whoami", "null", "--to", target, "--json"]
    called = eventually("the call is answered", lambda: engine.execute(edges[0], argv).stdout)
    assert json.loads(called)["result"]["name"] == edges[-1]


def test_services_start_in_their_places_with_their_names_addresses_and_routes(lab: NamespaceEngine) -> None:
    hosts = lab.hosts()
    assert {name: host.state for name, host in hosts.items()} == dict.fromkeys(
        ("left", "other", "right", "router"), "running"
    )
    assert hosts["other"].addresses == {"left": IPv4Address("10.1.1.1")}
    assert hosts["router"].addresses == {"left": IPv4Address("10.1.1.3"), "right": IPv4Address("10.1.2.3")}
    for service in hosts:
        here = Path(f"/proc/{pid_of(lab, service)}/ns/net")
        assert here.samefile(f"/run/netns/macula-lab.{lab.project}.{service}")
    assert pings(lab, "left", "10.1.2.32"), "through the router"
    assert pings(lab, "left", "right"), "by its name"
    assert lab.execute("left", ["ip", "-6", "address"]).stdout == ""
    assert lab.execute("left", ["hostname"]).stdout == "left\n"
    assert lab.execute("left", ["ls", "/sys/class/net"]).stdout.split() == ["eth0", "lo"]


def test_the_host_and_other_services_keep_their_settings(lab: NamespaceEngine) -> None:
    def ttl(service: str) -> str:
        return lab.execute(service, ["cat", "/proc/sys/net/ipv4/ip_default_ttl"]).stdout.strip()

    assert (ttl("left"), ttl("right")) == ("33", "64")
    assert Path("/proc/sys/net/ipv4/ip_default_ttl").read_text().strip() == "64"
    forwarding = {
        service: lab.execute(service, ["cat", "/proc/sys/net/ipv4/ip_forward"]).stdout.strip()
        for service in lab.hosts()
    }
    assert forwarding == {"left": "0", "other": "0", "right": "0", "router": "1"}


def test_capabilities_are_really_gone(lab: NamespaceEngine) -> None:
    none = {"CapInh": 0, "CapPrm": 0, "CapEff": 0, "CapBnd": 0, "CapAmb": 0, "NoNewPrivs": 1}
    own = none | dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapBnd"), NET_ADMIN)
    for service, expected in (("left", none), ("router", own)):
        assert capabilities(Path(f"/proc/{pid_of(lab, service)}/status").read_text()) == expected
        assert capabilities(lab.execute(service, ["cat", "/proc/self/status"]).stdout) == expected
        shell = subprocess.run(
            lab.interactive(service, ["cat", "/proc/self/status"], terminal=False), capture_output=True, check=True
        )
        assert capabilities(shell.stdout.decode()) == expected
    refused = lab.execute("left", ["ip", "link", "set", "eth0", "down"])
    assert refused.code != 0
    assert "Operation not permitted" in refused.stderr
    assert lab.execute("router", ["ip", "link", "set", "eth0", "mtu", "1400"]).code == 0
    assert "Operation not permitted" in lab.execute("router", ["tcpdump", "-c1", "-i", "eth0"]).stderr


def test_commands_have_the_services_environment_and_folder(lab: NamespaceEngine) -> None:
    done = lab.execute("left", ["sh", "-c", "echo $GREETING; echo warn >&2; exit 3"])
    assert (done.code, done.stdout, done.stderr) == (3, "hello\n", "warn\n")
    assert lab.execute("left", ["sh", "-c", 'echo x > "$KEPT"']).code == 0
    assert lab.execute("left", ["cat", "/var/lib/macula/kept"]).stdout == "x\n", "the image's folder is its own"
    assert "HOME" in lab.execute("left", ["env"]).stdout
    assert "PYTEST_CURRENT_TEST" not in lab.execute("left", ["env"]).stdout, "nothing of who asks"
    shell = subprocess.run(
        lab.interactive("left", ["sh", "-c", "echo $GREETING; hostname; ls kept"], terminal=False),
        capture_output=True,
        check=True,
        text=True,
    )
    assert shell.stdout.split() == ["hello", "left", "kept"]
    missing = lab.execute("left", ["no-such-program"])
    assert (missing.code, missing.stderr) == (127, "no-such-program: no such program\n")


def test_a_command_that_takes_too_long_is_ended(lab: NamespaceEngine) -> None:
    with pytest.raises(LabError, match=r"`sleep 600` in right did not end within 0\.2 s"):
        lab.execute("right", ["sleep", "600"], timeout=0.2)
    eventually("it is gone", lambda: "sleep 600" not in command_lines(lab, "right"))


def test_lines_come_as_they_are_written_and_closing_ends_the_command(lab: NamespaceEngine) -> None:
    lines = lab.stream("right", ["sh", "-c", "echo one; echo two; echo no >&2; exit 4"])
    assert [next(lines), next(lines)] == ["one", "two"]
    with pytest.raises(StopIteration) as end:
        next(lines)
    assert (end.value.value.code, end.value.value.stderr) == (4, "no\n")
    endless = lab.stream("right", ["sh", "-c", "echo begun; sleep 601"])
    assert next(endless) == "begun"
    endless.close()
    eventually("it is gone", lambda: "sleep 601" not in command_lines(lab, "right"))


def test_many_commands_at_once(lab: NamespaceEngine) -> None:
    found: dict[int, str] = {}

    def ask(number: int) -> None:
        found[number] = lab.execute(
            "right", ["sh", "-c", f"head -c 200000 /dev/zero | tr '\\0' x; echo {number}"]
        ).stdout

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: "x" * 200_000 + f"{number}\n" for number in range(10)}


def test_logs_are_all_that_was_written_also_before_a_restart(lab: NamespaceEngine) -> None:
    eventually("it began", lambda: lab.logs("left") == "counting\n")
    lab.kill("left")
    lab.restart("left")
    eventually("it began again", lambda: lab.logs("left") == "counting\n" * 2)
    assert lab.logs("left", tail=1) == "counting\n"
    assert lab.logs("right") == ""
    shown = subprocess.run(lab.logs_command(["left"], follow=False), capture_output=True, check=True, text=True)
    assert shown.stdout == "counting\n" * 2


def test_who_is_not_root_is_told_whose_lab_it_is(lab: NamespaceEngine) -> None:
    os.seteuid(65534)
    try:
        with pytest.raises(LabError, match=f"{lab.project} is root's"):
            lab.hosts()
    finally:
        os.seteuid(0)


def test_a_file_that_asks_for_more_is_refused_before_anything_is_made(make: Make) -> None:
    text = HOSTS.replace(
        "  right:\n    <<: *host", "  right:\n    <<: *host\n    image: postgres\n    ports: ['80:80']"
    )
    lab = make(text)
    with pytest.raises(LabError) as refusal:
        lab.start()
    assert "services.right.image: is 'postgres'" in str(refusal.value)
    assert "services.right.ports: " in str(refusal.value)
    assert "--engine docker" in refusal.value.next_step
    assert leftovers(lab.project) == NOTHING


def test_a_router_that_cannot_be_what_it_is_to_be_is_named_with_its_words(make: Make) -> None:
    lab = make(HOSTS.replace("10.1.2.2/24}", "10.7.7.2/24}"))
    with pytest.raises(LabError, match="the router router ended at once") as refusal:
        lab.start()
    assert "10.7.7.2" in refusal.value.evidence
    lab.down()
    assert leftovers(lab.project) == NOTHING


def test_fifty_nodes_enter_one_mesh(make: Make) -> None:
    nodes = [f"n{number}" for number in range(50)]
    lines = [FIFTY]
    for number, name in enumerate(nodes):
        way_in = "*edge" if number else "*bootstrap"
        environment = f"environment: {{<<: {way_in}, MACULA_NODE_NAME: {name}}}"
        lines.append(
            f"  {name}: {{<<: *node, {environment}, networks: {{mesh: {{ipv4_address: 10.{number + 1}.0.9}}}}}}"
        )
    lab = make("\n".join(lines), "fifty")
    began = time.monotonic()
    lab.start()
    started = time.monotonic()
    for name in nodes:
        eventually(f"{name} is ready", partial(is_ready, lab, name), 90)
    ready = time.monotonic()
    lab.down()
    down = time.monotonic()
    print(f"50 nodes: started {started - began:.2f} s, ready {ready - began:.2f} s, down {down - ready:.2f} s")
