"""No packet gets around a router, and nobody has more rights than the topology needs: seen from inside."""

import json
import re
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from inside import REFUSAL, ask_tcp, ask_udp, connecting, inside, reflector
from labs import Labs, router
from macula_lab.engines.contract import Engine, Finished
from macula_lab.engines.docker.daemon import client
from macula_lab.process import run
from macula_lab.workspace import COMPOSE

HEALTH = 8080
"""The TCP port on which every node answers over HTTP."""

NET_ADMIN = 1 << 12
"""Its bit among the capabilities (capability.h)."""


@pytest.fixture(params=["docker", "netns"])
def lab(request: pytest.FixtureRequest, labs: Labs) -> Engine:
    """compose/nat-pair.yaml on each engine."""
    return labs.up(request.param, "nat-pair")


@pytest.fixture
def in_containers(labs: Labs) -> Engine:
    """The same, on Docker."""
    return labs.up("docker", "nat-pair")


@pytest.fixture
def neighbour(labs: Labs) -> Engine:
    """Another lab on the same machine."""
    return labs.up("docker", "udp-blocked")


@contextmanager
def reflecting(lab: Engine, network: str, *ports: int) -> Iterator[str]:
    """A reflector of the lab's own in a network, and its address."""
    (address,) = lab.plan.free_addresses(network, 1)
    helper = lab.helper(f"reflector-{network}", {network: address})
    try:
        with reflector(helper, *ports):
            yield str(address)
    finally:
        helper.remove()


def address_of(lab: Engine, service: str, network: str) -> str:
    return str(lab.plan.services[service].networks[network])


def private_drops(lab: Engine, nat: str) -> dict[tuple[str, str], int]:
    """How often a router dropped what was aimed at an inside address: by the address it came from and its target."""
    return {
        (drop["source"].partition(":")[0], drop["destination"]): drop["packets"]
        for drop in router(lab, nat)["drops"]
        if drop["reason"] == "private"
    }


def test_the_private_addresses_of_another_lan_are_out_of_reach(lab: Engine) -> None:
    with reflecting(lab, "lan_b", 7001) as target:
        edge, place = inside(lab, "edge_a"), address_of(lab, "edge_b", "lan_b")

        assert ask_udp(inside(lab, "edge_b"), target, 7001), "it does answer its neighbours"
        assert ask_udp(edge, target, 7001, patience=REFUSAL) is None
        assert ask_tcp(edge, target, 7001, patience=REFUSAL) is None
        assert ask_tcp(edge, place, HEALTH, patience=REFUSAL) is None

    # They went as far as the other NAT, with the source that the own one gave them.
    source = address_of(lab, "nat_a", "public")
    assert {(source, f"{target}:7001"), (source, f"{place}:{HEALTH}")} <= set(private_drops(lab, "nat_b"))


def test_an_outsider_does_not_get_at_a_private_address(lab: Engine) -> None:
    (address,) = lab.plan.free_addresses("public", 1)
    target = address_of(lab, "edge_a", "lan_a")
    outsider = lab.helper("outsider", {"public": address})
    try:
        before = private_drops(lab, "nat_a").get((str(address), f"{target}:9443"), 0)

        assert ask_udp(outsider.execute, target, 9443, patience=REFUSAL) is None
        assert ask_tcp(outsider.execute, target, HEALTH, patience=REFUSAL) is None
    finally:
        outsider.remove()

    drops = private_drops(lab, "nat_a")
    assert drops[str(address), f"{target}:9443"] >= before + 5, "each of the five packets is counted"
    assert (str(address), f"{target}:{HEALTH}") in drops


def test_who_leaves_a_lan_is_seen_at_the_address_of_its_nat(lab: Engine) -> None:
    with reflecting(lab, "public", 7002) as address:
        for edge, nat in (("edge_a", "nat_a"), ("edge_b", "nat_b")):
            udp, tcp = ask_udp(inside(lab, edge), address, 7002), ask_tcp(inside(lab, edge), address, 7002)

            assert udp and tcp
            assert (udp.host, tcp.host) == (address_of(lab, nat, "public"),) * 2


@pytest.mark.parametrize("service", ["edge_a", "bootstrap", "nat_a"])
def test_the_machine_that_runs_the_lab_is_out_of_reach(lab: Engine, service: str) -> None:
    """Its side of the lab's bridges (.1), docker0, its other bridges, its uplink: whatever address it has."""
    machine = own_addresses()
    bridge_sides = {str(network.subnet[1]) for network in lab.plan.networks.values()}
    with socket.create_server(("0.0.0.0", 0)) as server:
        port = server.getsockname()[1]
        assert connecting(here, machine, port) == machine, "it does answer itself"

        assert connecting(inside(lab, service), machine | bridge_sides, port) == set()


def test_another_lab_on_the_same_machine_is_out_of_reach(in_containers: Engine, neighbour: Engine) -> None:
    target = address_of(neighbour, "bootstrap", "public")

    assert connecting(inside(neighbour, "gateway"), {target}, HEALTH) == {target}
    for service in ("edge_a", "gateway", "nat_a"):
        assert connecting(inside(in_containers, service), {target}, HEALTH) == set()


def test_nodes_have_no_capability_and_routers_net_admin_only(lab: Engine) -> None:
    # Without a PID namespace of its own, a service of the namespace engine sees this machine's first process.
    process = "1" if lab.name == "docker" else "self"
    held = {}
    for service in lab.plan.services:
        told = lab.execute(service, ["cat", f"/proc/{process}/status"]).stdout
        status = dict(line.split(":\t", 1) for line in told.splitlines() if ":\t" in line)
        held[service] = {int(status[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb", "CapInh")}

    routers = {router.name for router in lab.plan.routers()}
    assert routers == {"internet", "nat_a", "nat_b"}
    assert {name: rights - {0} for name, rights in held.items()} == {
        name: {NET_ADMIN} if name in routers else set() for name in lab.plan.services
    }


def test_no_container_has_a_way_to_the_engine_or_more_rights_than_the_file_gives(in_containers: Engine) -> None:
    lab = in_containers
    with closing(client()) as engine:
        found = engine.containers.list(filters={"label": f"com.docker.compose.project={lab.project}"})
        settings = {one.labels["com.docker.compose.service"]: one.attrs["HostConfig"] for one in found}

    assert set(settings) == set(lab.plan.services)
    for service, given in settings.items():
        assert not given["Privileged"]
        assert not given["Binds"]
        assert (given["PidMode"], given["IpcMode"], given["UTSMode"]) == ("", "private", "")
        assert given["NetworkMode"] not in ("host", "default", "bridge")
        assert lab.execute(service, ["find", "/run", "/var/run/", "-name", "docker.sock"]).stdout == ""


def test_a_router_finds_its_interfaces_whatever_their_order(lab: Engine, labs: Labs, tmp_path: Path) -> None:
    file = tmp_path / "swapped.yaml"
    file.write_text(swapped((COMPOSE / "nat-pair.yaml").read_text()))

    copy = labs.routers(lab.name, file)

    shown, other = router(lab, "nat_a"), router(copy, "nat_a")
    assert shown["wan"]["interface"] != other["wan"]["interface"], "the copy is not in another order"
    assert shown["wan"]["address"] == address_of(lab, "nat_a", "public")
    assert other["wan"]["address"] == address_of(copy, "nat_a", "a_public")
    for told, plan in ((shown, lab.plan), (other, copy.plan)):
        assert {one["subnet"] for one in told["lans"]} == {str(plan.networks["lan_a"].subnet)}


def swapped(text: str) -> str:
    """nat-pair.yaml with the networks of nat_a in the other order, by their places in the file and by their names."""
    attachments = re.search(r"  nat_a:\n(?:.+\n)*    networks:\n(.+\n)(.+\n)", text)
    assert attachments
    public, lan_a = attachments.groups()
    other = text.replace(public + lan_a, lan_a + public)
    return re.sub(r"^( +(?:networks: \{)?)public:", r"\1a_public:", other, flags=re.MULTILINE)


def own_addresses() -> set[str]:
    """The IPv4 addresses of this machine, without those that mean each machine itself."""
    links = json.loads(run(["ip", "-j", "-4", "addr"]))
    found = {IPv4Address(one["local"]) for link in links for one in link["addr_info"]}
    return {str(address) for address in found if not address.is_loopback}


def here(argv: Sequence[str]) -> Finished:
    """Run a command on the machine itself."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return Finished(done.returncode, done.stdout, done.stderr)
