"""A container's attributes in the lab's words."""

from ipaddress import IPv4Address
from typing import Any

import pytest
from docker.models.containers import Container
from docker.models.networks import Network

from macula_lab.engines.contract import Host
from macula_lab.engines.docker.containers import by_service, host, names_in_file, state


def container(service: str, number: str = "1", **labels: str) -> Container:
    told = {"com.docker.compose.service": service, "com.docker.compose.container-number": number, **labels}
    return Container({"Id": f"{service}{number}", "Config": {"Labels": told if service else {}}})


@pytest.mark.parametrize(
    ("inspected", "told"),
    [
        ({"Status": "running"}, "running"),
        ({"Status": "running", "Health": None}, "running"),
        ({"Status": "running", "Health": {"Status": "starting"}}, "running (starting)"),
        ({"Status": "paused", "Health": {"Status": "unhealthy"}}, "paused"),
        ({"Status": "exited", "ExitCode": 137}, "exited (137)"),
        ({"Status": "created"}, "created"),
    ],
)
def test_the_state(inspected: dict[str, Any], told: str) -> None:
    assert state(inspected) == told


def test_a_host_has_its_addresses_by_the_file_s_names_of_networks() -> None:
    attributes = {
        "State": {"Status": "running"},
        "NetworkSettings": {"Networks": {"p_lan": {"IPAddress": "10.7.1.3"}, "p_wan": {"IPAddress": ""}}},
    }

    assert host("nat_a", attributes, {"p_lan": "lan", "p_wan": "wan"}) == Host(
        "nat_a", "running", True, {"lan": IPv4Address("10.7.1.3")}
    )


def test_a_paused_host_does_not_run() -> None:
    assert not host("x", {"State": {"Status": "paused"}, "NetworkSettings": {"Networks": {}}}, {}).running


def test_containers_are_found_by_service_and_number() -> None:
    found = by_service([container("web", "2"), container("web"), container("db"), container("")])

    assert list(found) == ["db", "web", "web.2"]


def test_what_compose_ran_once_is_no_service() -> None:
    assert by_service([container("web", **{"com.docker.compose.oneoff": "True"})]) == {}


def test_networks_have_the_name_of_the_file() -> None:
    labelled = Network({"Name": "p_lan", "Labels": {"com.docker.compose.network": "lan"}})

    assert names_in_file([labelled, Network({"Name": "other", "Labels": None})]) == {"p_lan": "lan", "other": "other"}
