"""Interfaces that go down and come back."""

import pytest

from fake_lab import FakeEngine
from macula_lab.errors import LabError
from macula_lab.events.perform import event, perform

KERNEL = "172.24.1.0/24 proto kernel scope link src 172.24.1.31"


def told(lab: FakeEngine, kind: str, target: str, *arguments: str) -> str:
    return "\n".join(perform(lab, event(kind, target, arguments)).changes)


def test_down_and_up_with_the_routes_it_had(lab: FakeEngine) -> None:
    cable = lab.cables["edge_a"]
    cable.routes = ["default via 172.24.1.2", KERNEL, "10.0.0.0/8 via 172.24.1.9 metric 5"]
    assert told(lab, "link-down", "edge_a") == "edge_a: eth0 (lan_a 172.24.1.31) went down"
    assert (cable.up, cable.routes) == (False, [])
    assert told(lab, "link-up", "edge_a") == "edge_a: eth0 (lan_a 172.24.1.31) came up"
    assert cable.up
    assert cable.routes == [KERNEL, "default via 172.24.1.2", "10.0.0.0/8 via 172.24.1.9 metric 5"]


def test_a_second_time_is_harmless_and_says_so(lab: FakeEngine) -> None:
    told(lab, "link-down", "edge_a")
    assert told(lab, "link-down", "edge_a") == "edge_a: eth0 (lan_a 172.24.1.31) is down already"
    told(lab, "link-up", "edge_a")
    assert told(lab, "link-up", "edge_a") == "edge_a: eth0 (lan_a 172.24.1.31) is up already"
    assert lab.cables["edge_a"].routes == [KERNEL, "default via 172.24.1.2"]


def test_only_the_named_network(lab: FakeEngine) -> None:
    assert told(lab, "link-down", "edge_a", "lan_a") == "edge_a: eth0 (lan_a 172.24.1.31) went down"
    with pytest.raises(LabError, match="edge_a is not in lan_b") as caught:
        told(lab, "link-down", "edge_a", "lan_b")
    assert caught.value.next_step == "choose one of: lan_a"


def test_the_helper_is_removed_also_after_a_failure(lab: FakeEngine) -> None:
    lab.cables["edge_a"].routes = []
    told(lab, "link-down", "edge_a")
    with pytest.raises(LabError, match="there is no network"):
        told(lab, "link-up", "edge_a", "nowhere")
    assert [helper.removed for helper in lab.helpers] == [True, True]


def test_a_host_that_does_not_run_has_no_interfaces(lab: FakeEngine) -> None:
    lab.kill("edge_a")
    with pytest.raises(LabError, match="edge_a does not run"):
        told(lab, "link-down", "edge_a")
