"""What Docker and compose say when something is wrong, as they said it, and what a person is told."""

from ipaddress import IPv4Network
from pathlib import Path

import pytest

from macula_lab.composefile.plan import Network, Plan, Service
from macula_lab.engines.docker.complaints import of_making, of_start

ENDPOINT = "driver failed programming external connectivity on endpoint p_web_1 (0cc7): "


@pytest.mark.parametrize(
    ("told", "cause"),
    [
        (
            f"{ENDPOINT}Bind for 0.0.0.0:18080 failed: port is already allocated",
            "services.web.ports: port 18080 of this machine is busy",
        ),
        (
            f"{ENDPOINT}Error starting userland proxy: listen tcp4 0.0.0.0:18080: bind: address already in use",
            "services.web.ports: port 18080 of this machine is busy",
        ),
        (
            "failed to bind host port for 0.0.0.0:18080:172.18.0.2:80/tcp: address already in use",
            "services.web.ports: port 18080 of this machine is busy",
        ),
        ("Address already in use", "services.web.networks: its address is in use already"),
        (
            'error gathering device information while adding custom device "/dev/net/tun": no such file or directory',
            "services.web.devices: this machine has no /dev/net/tun",
        ),
        (
            "OCI runtime create failed: open /proc/sys/net/ipv4/nosuch: no such file or directory: unknown",
            "services.web.sysctls: this kernel has no net.ipv4.nosuch",
        ),
        ("OCI runtime create failed: exec: nosuch: not found", "web does not start"),
    ],
)
def test_why_a_container_does_not_start(told: str, cause: str) -> None:
    error = of_start("web", told)

    assert error.cause == cause
    assert error.next_step
    assert error.evidence == told


def plan(image: str, **fields: str) -> Plan:
    web = Service("web", image, {"front": None})
    network = Network("front", IPv4Network("10.7.0.0/24"))
    return Plan(Path("web.yaml"), {"web": web}, {"front": network}, {"services": {"web": {"image": image, **fields}}})


def test_a_subnet_that_is_taken_is_told_with_the_variable_that_moves_it() -> None:
    told = 'Creating network "p_front" with the default driver\nPool overlaps with other one on this address space'
    error = of_making(told, plan("nginx"), lambda _image: True)

    assert "front is 10.7.0.0/24" in error.cause
    assert "LAB_NETWORK=" in error.next_step


def test_an_image_that_is_missing_is_named_with_its_key() -> None:
    error = of_making("Get https://registry/v2/: no such host", plan("nginx:1"), lambda _image: False)

    assert error.cause == "services.web.image: there is no image nginx:1"
    assert error.next_step.startswith("docker pull nginx:1")


def test_our_own_images_are_built_by_the_lab() -> None:
    assert of_making("no such image", plan("macula-node"), lambda _image: False).next_step == "macula-lab build"


def test_what_compose_builds_need_not_be_there() -> None:
    error = of_making("COPY failed", plan("mine", build="."), lambda _image: False)

    assert error.cause == "the networks and containers could not be made"
    assert error.evidence == "COPY failed"
