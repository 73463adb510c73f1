import os
import re
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from macula_lab.composefile.load import load
from macula_lab.composefile.plan import Plan
from macula_lab.engines.netns import attachments, programs, requirements, wiring
from macula_lab.engines.netns.attachments import Attachment
from macula_lab.engines.netns.bringup import with_dependencies
from macula_lab.engines.netns.interactive import command
from macula_lab.engines.netns.project import Project
from macula_lab.engines.netns.supervisor.program import needs_execution
from macula_lab.errors import LabError

TEXT = """
services:
  edge:
    image: macula-node
    cap_drop: [ALL]
    environment: {MACULA_NODE_NAME: edge, MACULA_KEY_LOG: /var/lib/macula/keys.log, MACULA_DATA_DIR: /elsewhere}
    networks: [lan]
    depends_on: [nat]
  nat:
    image: macula-router
    cap_drop: [ALL]
    cap_add: [NET_ADMIN]
    environment: {ADDRESSES: 10.1.0.1/24}
    networks: {wan: {ipv4_address: 10.2.0.6}, lan: }
  server: {image: macula-node, networks: [wan, lan], command: [sleep, "9"]}
networks:
  lan: {ipam: {config: [{subnet: 10.1.0.0/24, gateway: 10.1.0.2}]}}
  wan: {ipam: {config: [{subnet: 10.2.0.0/29}]}}
"""


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """An edge behind a router, and a server with a foot in both networks."""
    file = tmp_path / "three.yaml"
    file.write_text(TEXT)
    return load(file, {})


def test_addresses_that_the_file_leaves_open_are_the_lowest_that_nobody_has(plan: Plan) -> None:
    found = attachments.of_plan(plan)
    assert found == {
        "edge": [Attachment("lan", "eth0", IPv4Address("10.1.0.3"))],
        "nat": [Attachment("wan", "eth0", IPv4Address("10.2.0.6")), Attachment("lan", "eth1", IPv4Address("10.1.0.4"))],
        "server": [
            Attachment("wan", "eth0", IPv4Address("10.2.0.2")),
            Attachment("lan", "eth1", IPv4Address("10.1.0.5")),
        ],
    }


def test_a_network_without_room_is_named(plan: Plan) -> None:
    everything = {IPv4Address(f"10.2.0.{last}") for last in range(8)}
    with pytest.raises(LabError, match=r"networks\.wan: 10\.2\.0\.0/29 has no free address"):
        attachments.lowest_free(plan, "wan", everything)


def test_attachments_are_kept(plan: Plan, tmp_path: Path) -> None:
    items = attachments.of_plan(plan)["nat"]
    assert attachments.read(tmp_path / "nat") == []
    attachments.write(tmp_path / "nat", items)
    assert attachments.read(tmp_path / "nat") == items
    assert attachments.next_interface(items) == "eth2"
    assert attachments.next_interface(items[1:]) == "eth0"


def test_hosts_and_no_routers_have_the_first_gateway_of_their_networks(plan: Plan) -> None:
    found = attachments.of_plan(plan)
    for service, gateway in (("edge", IPv4Address("10.1.0.2")), ("nat", None), ("server", IPv4Address("10.1.0.2"))):
        assert attachments.gateway(plan, plan.services[service], found[service]) == gateway
    assert attachments.gateway(plan, None, found["nat"][:1]) is None


def test_only_crowded_networks_are_known_beforehand(plan: Plan) -> None:
    found = attachments.of_plan(plan)
    assert attachments.crowds(found, 3) == {}
    assert attachments.crowds(found, 2) == {"lan": [IPv4Address(f"10.1.0.{last}") for last in (3, 4, 5)]}


def test_interfaces_of_the_kernel_have_names_and_addresses_that_it_takes() -> None:
    long = wiring.bridge("a network with a name that is longer than an interface's")
    assert len(long) <= 15
    assert long != wiring.bridge("a network with a name that is longer than another's")
    assert wiring.mac(IPv4Address("10.1.0.255")) == "02:4d:0a:01:00:ff"


def test_what_others_depend_on_starts_first(plan: Plan) -> None:
    assert with_dependencies(plan, ["edge"]) == ["nat", "edge"]
    assert with_dependencies(plan, ["server"]) == ["server"]
    everything = with_dependencies(plan, [])
    assert sorted(everything) == ["edge", "nat", "server"]
    assert everything.index("nat") < everything.index("edge")


def test_a_service_finds_its_folder_where_its_image_has_it(plan: Plan) -> None:
    project = Project("try")
    data = str(programs.data_of(project, "edge"))
    edge = programs.of_service(project, plan.services["edge"])
    assert edge.argv == ["macula", "node"]
    assert edge.environment["MACULA_DATA_DIR"] == edge.folder == data
    assert edge.environment["MACULA_CONTROL_SOCKET"] == f"{data}/control.sock"
    assert edge.environment["MACULA_KEY_LOG"] == f"{data}/keys.log"
    assert edge.environment["MACULA_NODE_NAME"] == "edge"
    assert edge.capabilities == []
    nat = programs.of_service(project, plan.services["nat"])
    assert (nat.argv, nat.capabilities) == (["macula-router", "serve"], [12])
    assert programs.of_service(project, plan.services["server"]).argv == ["sleep", "9"]
    reading = programs.beside_service(project, plan.services["edge"], ["cat", "/var/lib/macula/keys.log"])
    assert reading.argv == ["cat", f"{data}/keys.log"]
    assert reading.environment == edge.environment
    clocked = replace(plan.services["edge"], environment={"LD_PRELOAD": "/lib/faketime.so"})
    assert programs.of_service(project, clocked).environment["LD_PRELOAD"] == "/lib/faketime.so"
    assert "LD_PRELOAD" not in programs.beside_service(project, clocked, ["date"]).environment, "the node's alone"
    assert (reading.service, edge.service) == (False, True)


def test_names_are_found_where_docker_has_a_resolver(plan: Plan) -> None:
    lines = programs.hosts_file(plan, attachments.of_plan(plan)).splitlines()
    assert lines == [
        "127.0.0.1\tlocalhost",
        "10.1.0.3\tedge",
        "10.2.0.6\tnat",
        "10.1.0.4\tnat",
        "10.2.0.2\tserver",
        "10.1.0.5\tserver",
    ]


def test_a_persons_shell_gets_the_services_rights_and_environment(plan: Plan) -> None:
    argv = command(Project("try"), plan.services["nat"], 77, ["nft", "list", "ruleset"])
    assert argv[:2] == ["nsenter", "--target=77"]
    assert "--bounding-set=-all,+net_admin" in argv
    assert "ADDRESSES=10.1.0.1/24" in argv
    assert argv[-3:] == ["nft", "list", "ruleset"]


@pytest.mark.parametrize("name", ["", "Upper", "a.b", "-a", "a:b", "a/b"])
def test_a_project_has_a_name_that_compose_takes_too(name: str) -> None:
    with pytest.raises(LabError, match=rf"project: {re.escape(repr(name))} is no name"):
        Project(name)


def test_a_project_sees_only_its_own_namespaces(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["macula-lab.a.x", "macula-lab.a:fabric", "macula-lab.ab.x", "macula-lab.a-b:fabric", "a.x", "macula-lab.a"]
    monkeypatch.setattr("macula_lab.engines.netns.project.existing", lambda: names)
    assert Project("a").namespaces() == ["macula-lab.a.x", "macula-lab.a:fabric"]
    assert Project("a").of_service("x") == "macula-lab.a.x"
    assert Project("a").of_helper("x") == "macula-lab.a:helper.x"


def test_who_is_not_root_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LabError, match="needs root") as refusal:
        requirements.require()
    assert "sudo" in refusal.value.next_step


def test_missing_programs_are_named_with_their_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    for program in ("ip", "tc", "nsenter", "setpriv"):
        (tmp_path / program).touch(mode=0o755)
    monkeypatch.setattr(requirements, "PATH", str(tmp_path))
    assert requirements.missing() == ["nftables", "tcpdump"]
    with pytest.raises(LabError, match="needs the programs nft, tcpdump") as refusal:
        requirements.require()
    assert "apt-get install -y nftables tcpdump" in refusal.value.next_step


@pytest.mark.parametrize(("name", "executed"), [("PYTHONPATH", True), ("LD_PRELOAD", True), ("OTHER", False)])
def test_what_a_fork_could_not_be_is_executed(plan: Plan, name: str, executed: bool) -> None:
    edge = plan.services["edge"]
    for value, expected in (("/some/where", executed), ("", False)):
        service = replace(edge, environment={**edge.environment, name: value})
        assert needs_execution(programs.of_service(Project("try"), service)) is expected
