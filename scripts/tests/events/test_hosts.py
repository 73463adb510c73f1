"""Events of programs, and of hosts that move."""

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from fake_lab import FakeEngine
from macula_lab.errors import LabError
from macula_lab.events.perform import event, perform


def told(lab: FakeEngine, kind: str, target: str, *arguments: str) -> str:
    return "\n".join(perform(lab, event(kind, target, arguments)).changes)


def test_killed_and_started_again(lab: FakeEngine) -> None:
    assert told(lab, "kill", "edge_b") == "edge_b: running -> exited (137)"
    assert told(lab, "kill", "edge_b") == "edge_b: does not run, it is exited (137)"
    assert told(lab, "restart", "edge_b") == "edge_b: exited (137) -> running"


def test_stopped(lab: FakeEngine) -> None:
    assert told(lab, "stop", "edge_b") == "edge_b: running -> exited (0)"
    assert told(lab, "stop", "edge_b") == "edge_b: does not run, it is exited (0)"


def test_a_restart_of_one_that_runs_ends_it_first(lab: FakeEngine) -> None:
    assert told(lab, "restart", "edge_b") == "edge_b: running -> running"


def test_paused_and_resumed(lab: FakeEngine) -> None:
    assert told(lab, "pause", "edge_b") == "edge_b: running -> paused"
    assert told(lab, "pause", "edge_b") == "edge_b: is paused already"
    assert told(lab, "resume", "edge_b") == "edge_b: paused -> running"
    assert told(lab, "resume", "edge_b") == "edge_b: is not paused, it is running"


def test_a_paused_program_can_be_killed(lab: FakeEngine) -> None:
    lab.states["edge_b"] = replace(lab.states["edge_b"], state="paused (healthy)", running=False)
    assert told(lab, "pause", "edge_b") == "edge_b: is paused already"
    assert told(lab, "kill", "edge_b") == "edge_b: paused (healthy) -> exited (137)"


def test_what_does_not_run_cannot_be_paused(lab: FakeEngine) -> None:
    lab.kill("edge_b")
    with pytest.raises(LabError, match=r"edge_b does not run, it is exited \(137\)") as caught:
        told(lab, "pause", "edge_b")
    assert caught.value.next_step == "macula-lab event restart edge_b"


def test_what_was_never_started(lab: FakeEngine) -> None:
    del lab.states["edge_b"]
    with pytest.raises(LabError, match="edge_b of macula-nat-pair is not up"):
        told(lab, "kill", "edge_b")
    lab.states.clear()
    with pytest.raises(LabError, match="macula-nat-pair is not up") as caught:
        told(lab, "kill", "edge_a")
    assert "macula-lab up nat-pair" in caught.value.next_step


def test_roaming_to_a_named_address_and_home(lab: FakeEngine) -> None:
    assert told(lab, "roam", "edge_a", "lan_b", "172.24.2.200") == "edge_a: lan_a 172.24.1.31 -> lan_b 172.24.2.200"
    assert lab.states["edge_a"].addresses == {"lan_b": IPv4Address("172.24.2.200")}
    assert told(lab, "roam", "edge_a", "lan_b") == "edge_a: is in lan_b already, as 172.24.2.200"
    assert told(lab, "roam", "edge_a", "lan_b", "172.24.2.200") == "edge_a: is in lan_b already, as 172.24.2.200"
    assert told(lab, "roam", "edge_a", "lan_a") == "edge_a: lan_b 172.24.2.200 -> lan_a 172.24.1.31"


def test_roaming_within_a_network_is_another_address(lab: FakeEngine) -> None:
    assert told(lab, "roam", "edge_a", "lan_a", "172.24.1.77") == "edge_a: lan_a 172.24.1.31 -> lan_a 172.24.1.77"


def test_roamers_get_addresses_that_nobody_has(lab: FakeEngine) -> None:
    assert told(lab, "roam", "edge_a", "lan_b").endswith("-> lan_b 172.24.2.128")
    assert told(lab, "roam", "server", "lan_b").endswith("-> lan_b 172.24.2.129")


def test_roaming_to_the_address_of_somebody_else(lab: FakeEngine) -> None:
    with pytest.raises(LabError, match=r"172\.24\.2\.32 is the address of edge_b"):
        told(lab, "roam", "edge_a", "lan_b", "172.24.2.32")
    assert lab.states["edge_a"].addresses == {"lan_a": IPv4Address("172.24.1.31")}


def test_a_full_network(lab: FakeEngine) -> None:
    everywhere = {IPv4Address(f"172.24.2.{last}") for last in range(128, 255)}
    for number, address in enumerate(everywhere):
        lab.states[f"guest{number}"] = replace(lab.states["edge_b"], addresses={"lan_b": address})
    with pytest.raises(LabError, match=r"every address in the upper half of lan_b \(172\.24\.2\.0/24\) is taken"):
        told(lab, "roam", "edge_a", "lan_b")
