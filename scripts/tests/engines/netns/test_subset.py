from pathlib import Path

import pytest

from macula_lab.composefile.load import load
from macula_lab.engines.netns.subset import require_honoured
from macula_lab.errors import LabError
from macula_lab.workspace import COMPOSE, topologies

NETWORKS = 'networks: {lan: {ipam: {config: [{subnet: "10.1.0.0/24"}]}}}'


@pytest.mark.parametrize("name", topologies())
def test_our_own_topologies_are_honoured(name: str) -> None:
    require_honoured(load(COMPOSE / f"{name}.yaml", {}))


def refused(tmp_path: Path, text: str) -> LabError:
    """What the engine says to a file of this text."""
    file = tmp_path / "own.yaml"
    file.write_text(text)
    plan = load(file, {})
    with pytest.raises(LabError) as refusal:
        require_honoured(plan)
    return refusal.value


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("volumes: [x:/y]", "services.a.volumes: is not honoured"),
        ("ports: ['80:80']", "services.a.ports: is not honoured"),
        ("entrypoint: sh", "services.a.entrypoint: is not honoured"),
        ("privileged: true", "services.a.privileged: True is not honoured"),
        ("restart: always", "services.a.restart: 'always' is not honoured"),
        ("sysctls: {kernel.msgmax: 1}", "services.a.sysctls: {'kernel.msgmax': 1} is not honoured"),
        ("sysctls: [kernel.msgmax=1]", "services.a.sysctls: ['kernel.msgmax=1'] is not honoured"),
        ("devices: [/dev/kvm]", "services.a.devices: ['/dev/kvm'] is not honoured"),
        ("security_opt: [seccomp=unconfined]", "services.a.security_opt: ['seccomp=unconfined'] is not honoured"),
        (
            "depends_on: {b: {condition: service_healthy}}",
            "services.a.depends_on.b.condition: 'service_healthy' is not",
        ),
        ("cap_add: [SYS_ADMIN]", "services.a.cap_add: SYS_ADMIN would reach beyond"),
        ("cap_drop: [NONE]", "services.a.cap_drop: there is no capability 'NONE'"),
    ],
)
def test_a_key_of_a_service_that_asks_for_more_is_named(tmp_path: Path, option: str, told: str) -> None:
    a, b = f"a: {{image: macula-node, networks: [lan], {option}}}", "b: {image: macula-node, networks: [lan]}"
    assert told in str(refused(tmp_path, f"services: {{{a}, {b}}}\n{NETWORKS}"))


@pytest.mark.parametrize(
    ("network", "told"),
    [
        ("driver: macvlan, IPAM", "networks.lan.driver: 'macvlan' is not honoured"),
        ("external: true, IPAM", "networks.lan.external: is not honoured"),
        ("enable_ipv6: true, IPAM", "networks.lan.enable_ipv6: True is not honoured"),
        (
            "driver_opts: {com.docker.network.driver.mtu: 1400}, IPAM",
            "networks.lan.driver_opts.com.docker.network.driver.mtu",
        ),
        (
            'driver_opts: {com.docker.network.bridge.inhibit_ipv4: "false"}, IPAM',
            "inhibit_ipv4: 'false' is not honoured",
        ),
        ("ipam: {config: [{subnet: 10.1.0.0/24, ip_range: 10.1.0.0/28}]}", "networks.lan.ipam.config[0].ip_range"),
    ],
)
def test_a_key_of_a_network_that_asks_for_more_is_named(tmp_path: Path, network: str, told: str) -> None:
    options = network.replace("IPAM", "ipam: {config: [{subnet: 10.1.0.0/24}]}")
    text = f"services: {{a: {{image: macula-node, networks: [lan]}}}}\nnetworks: {{lan: {{{options}}}}}"
    assert told in str(refused(tmp_path, text))


def test_an_image_that_is_not_ours_is_named_with_the_engine_that_runs_it(tmp_path: Path) -> None:
    error = refused(tmp_path, f"services: {{a: {{image: postgres:16, networks: [lan]}}}}\n{NETWORKS}")
    assert "services.a.image: is 'postgres:16'" in error.cause
    assert "--engine docker" in error.next_step


def test_all_that_is_refused_is_told_at_once(tmp_path: Path) -> None:
    services = "services: {a: {image: macula-node, networks: {lan: {aliases: [x]}}, volumes: [x:/y], ports: ['1:1']}}"
    error = refused(tmp_path, f"{services}\nvolumes: {{x: {{}}}}\n{NETWORKS}")
    for key in ("volumes: ", "services.a.volumes: ", "services.a.ports: ", "services.a.networks.lan.aliases: "):
        assert f"\n  {key}" in error.cause
