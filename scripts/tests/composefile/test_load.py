from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from macula_lab.composefile.load import load
from macula_lab.composefile.plan import Plan, Service
from macula_lab.errors import LabError
from macula_lab.workspace import COMPOSE, topologies

NETWORK = 'networks: {lan: {ipam: {config: [{subnet: "10.1.0.0/24", gateway: "10.1.0.2"}]}}}'
SERVICE = "image: macula-node, networks: {lan: {ipv4_address: 10.1.0.9}}"

Write = Callable[..., Plan]


@pytest.fixture
def loaded(tmp_path: Path) -> Write:
    """Loads a compose file of this text."""

    def write(text: str, **environ: str) -> Plan:
        file = tmp_path / "own.yaml"
        file.write_text(text)
        return load(file, environ)

    return write


@pytest.mark.parametrize("name", topologies())
def test_each_of_our_topologies_is_a_plan_whose_addresses_move_with_the_variable(name: str) -> None:
    plan = load(COMPOSE / f"{name}.yaml", {"LAB_NETWORK": "10.77"})
    assert plan.name == name
    assert plan.variables["LAB_NETWORK"] == "10.77"
    moved = [network for network in plan.networks.values() if network.subnet.overlaps(IPv4Network("10.77.0.0/16"))]
    assert moved
    assert all(service.networks for service in plan.services.values())


def test_anchors_merges_and_both_forms_of_lists() -> None:
    plan = load(COMPOSE / "multi-hop.yaml", {})
    assert plan.services["edge_a"].environment["MACULA_REALM"] == "org.example.mesh"
    assert plan.services["edge_a"].environment["MACULA_MODE"] == "edge"
    assert plan.services["bootstrap"].depends_on == ["router_1", "router_2"]
    assert [router.name for router in plan.routers()] == ["router_1", "router_2"]
    assert plan.services["router_1"].cap_add == ["NET_ADMIN"]
    assert plan.services["router_1"].sysctls == {"net.ipv4.ip_forward": "1"}
    assert plan.services["edge_a"].role == "edge"
    assert plan.services["edge_a"].is_node
    assert plan.networks["lan_a"].gateway == IPv4Address("172.22.1.2")
    assert plan.networks["transit"].gateway is None


def test_each_form_that_compose_knows(loaded: Write) -> None:
    plan = loaded(
        f"""
services:
  a:
    image: registry.example:5000/x/macula-router:1.2@sha256:00
    environment: [PLAIN=1, "EQUALS=a=b", PASSED, MISSING]
    labels: ["macula.role=edge", bare]
    networks: [lan]
    depends_on: {{b: {{condition: service_started}}}}
    sysctls: ["net.ipv4.ip_forward=1"]
    command: macula-router serve --name 'two words'
  b:
    image: macula-node
    environment: {{NUMBER: 5, FRACTION: 1.5, EMPTY: "", PASSED: }}
    networks: {{lan: }}
    command: [macula, node]
{NETWORK}
""",
        PASSED="yes",
    )
    a, b = plan.services.values()
    assert a.environment == {"PLAIN": "1", "EQUALS": "a=b", "PASSED": "yes"}
    assert b.environment == {"NUMBER": "5", "FRACTION": "1.5", "EMPTY": "", "PASSED": "yes"}
    assert a.labels == {"macula.role": "edge", "bare": ""}
    assert a.networks == b.networks == {"lan": None}
    assert (a.depends_on, b.depends_on) == (["b"], [])
    assert a.sysctls == {"net.ipv4.ip_forward": "1"}
    assert (a.command, b.command) == (["macula-router", "serve", "--name", "two words"], ["macula", "node"])
    assert plan.routers() == [a]


def test_a_file_with_any_images_and_keys_is_a_plan(loaded: Write) -> None:
    plan = loaded(f"services: {{db: {{image: postgres, volumes: [x:/y], ports: ['1:1'], networks: [lan]}}}}\n{NETWORK}")
    assert plan.services["db"].role == ""
    assert plan.document["services"]["db"]["volumes"] == ["x:/y"]


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("macula-node", ""),
        ("macula-node:latest", ""),
        ("macula-node:b1cf6ca", "b1cf6ca"),
        ("registry:5000/us/macula-node:v1", "v1"),
        ("registry:5000/us/macula-node", ""),
        ("macula-node:v1@sha256:00", "v1"),
        ("nginx:1.27", ""),
    ],
)
def test_the_version_of_a_node_is_its_images_tag(image: str, version: str) -> None:
    assert Service("a", image, {}).version == version


def test_variables_come_from_the_environment_before_the_file_beside(loaded: Write, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("NAT=symmetric\nSIZE=24\nUNUSED=1\n")
    (tmp_path / "more.env").write_text("FROM_FILE=1\nBOTH=file\n")
    text = (
        "services: {r: {image: macula-router, env_file: more.env, networks: [lan], environment: {NAT: $NAT, BOTH: o}}}"
        '\nnetworks: {lan: {ipam: {config: [{subnet: "10.1.0.0/$SIZE"}]}}}'
    )
    plan = loaded(text, NAT="none")
    assert plan.services["r"].environment == {"FROM_FILE": "1", "BOTH": "o", "NAT": "none"}
    assert plan.variables == {"NAT": "none", "SIZE": "24"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("services: {a: {", r"own\.yaml:1:\d+: "),
        ("services:\n  a: {image: x}\n\tb: {}\n", r"own\.yaml:3:1: "),
        ("services:\n  a: {image: x}\n  a: {image: y}\n", r"own\.yaml:3:3: 'a' stands twice"),
        ("services: {a: *nowhere}", r"own\.yaml:1:\d+: .*undefined alias"),
        ("version: '3'", "services: there are none"),
        ("- a", "services: there are none"),
        ("services: {a: [x]}", "services.a: must be a mapping"),
        (
            f"services: {{a: {{{SERVICE}, environment: {{D: true}}}}}}\n{NETWORK}",
            r"environment\.D: true must be in",
        ),
        (f"services: {{a: {{{SERVICE}, cap_drop: ALL}}}}\n{NETWORK}", r"services\.a\.cap_drop: must be a list"),
        (f'services: {{a: {{{SERVICE}, command: "it\'s"}}}}\n{NETWORK}', r"services\.a\.command: .* cannot be split"),
        (f"services: {{a: {{{SERVICE}, env_file: gone.env}}}}\n{NETWORK}", r"services\.a\.env_file: there is no file"),
        (
            f"services: {{a: {{image: '${{I:?which}}', networks: [lan]}}}}\n{NETWORK}",
            r"services\.a\.image: I must be set: which",
        ),
        (
            f"services: {{a: {{{SERVICE}, depends_on: [b]}}}}\n{NETWORK}",
            r"services\.a\.depends_on: there is no service 'b'",
        ),
        (
            f"services: {{a: {{image: x, networks: [wan]}}}}\n{NETWORK}",
            r"services\.a\.networks: there is no network 'wan'",
        ),
        (f"services: {{a: {{image: x}}}}\n{NETWORK}", r"services\.a\.networks: there is no network 'default'"),
        (
            "services: {a: {image: x, networks: [lan]}}\nnetworks: {lan: }",
            r"networks\.lan\.ipam\.config: must have one",
        ),
        (
            "services: {a: {image: x}}\nnetworks: {lan: {ipam: {config: [{gateway: 10.1.0.1}]}}}",
            r"networks\.lan\.ipam\.config\[0\]\.subnet: is missing",
        ),
        (
            "services: {a: {image: x}}\nnetworks: {lan: {ipam: {config: [{subnet: 10.1.0.1/24}]}}}",
            r"networks\.lan\.ipam\.config\[0\]\.subnet: '10.1.0.1/24' is no IPv4 subnet: .*host bits",
        ),
        (
            "services: {a: {image: x}}\nnetworks: {lan: {ipam: {config: [{subnet: 10.1.0.0/24, gateway: 10.2.0.1}]}}}",
            r"networks\.lan\.ipam\.config\[0\]\.gateway: 10\.2\.0\.1 is no host of 10\.1\.0\.0/24",
        ),
    ],
)
def test_what_is_wrong_is_named(loaded: Write, text: str, told: str) -> None:
    with pytest.raises(LabError, match=told):
        loaded(text)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("10.2.0.9", r"10\.2\.0\.9 is no host of lan"),
        ("10.1.0.0", r"10\.1\.0\.0 is no host of lan"),
        ("10.1.0.255", r"10\.1\.0\.255 is no host of lan"),
        ("10.1.0.2", r"10\.1\.0\.2 is the gateway of lan"),
        ("10.1.0", r"'10\.1\.0' is no IPv4 address"),
        ("10.1.0.9", r"10\.1\.0\.9 is taken by services\.a\.networks\.lan\.ipv4_address"),
    ],
)
def test_a_wrong_address_is_named_by_its_key(loaded: Write, address: str, told: str) -> None:
    text = f"services: {{a: {{{SERVICE}}}, b: {{image: x, networks: {{lan: {{ipv4_address: {address}}}}}}}}}\n{NETWORK}"
    with pytest.raises(LabError, match=rf"services\.b\.networks\.lan\.ipv4_address: {told}"):
        loaded(text)


def test_networks_that_overlap_are_named(loaded: Write) -> None:
    networks = (
        'networks: {one: {ipam: {config: [{subnet: "10.1.0.0/16"}]}}, two: {ipam: {config: [{subnet: "10.1.4.0/24"}]}}}'
    )
    with pytest.raises(LabError, match=r"networks\.two\.ipam.*: 10\.1\.4\.0/24 overlaps networks\.one.*10\.1\.0\.0/16"):
        loaded(f"services: {{a: {{image: x, networks: [one]}}}}\n{networks}")


def test_services_that_wait_in_a_circle_are_named(loaded: Write) -> None:
    services = f"services: {{a: {{{SERVICE}, depends_on: [b]}}, b: {{image: x, networks: [lan], depends_on: [a]}}}}"
    with pytest.raises(LabError, match=r"depends_on: goes in a circle: .*a.*b"):
        loaded(f"{services}\n{NETWORK}")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"none\.yaml: No such file"):
        load(tmp_path / "none.yaml", {})


def test_free_addresses_are_those_that_nobody_has_from_the_top_down(loaded: Write) -> None:
    plan = loaded(
        """
services:
  r: {image: macula-router, networks: {lan: {ipv4_address: 10.1.0.3}}, environment: {ADDRESSES: 10.1.0.6/29 nonsense}}
  h: {image: macula-node, networks: [lan]}
networks: {lan: {ipam: {config: [{subnet: 10.1.0.0/29, gateway: 10.1.0.2}]}}}
"""
    )
    assert [str(address) for address in plan.free_addresses("lan", 2)] == ["10.1.0.5", "10.1.0.4"]
    with pytest.raises(LabError, match=r"networks\.lan: 10\.1\.0\.0/29 has 3 free addresses, the lab needs 4"):
        plan.free_addresses("lan", 4)
