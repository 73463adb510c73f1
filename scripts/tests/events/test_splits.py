"""A network whose hosts no longer hear each other."""

import pytest

from fake_lab import FakeEngine
from macula_lab.errors import LabError
from macula_lab.events.perform import event, perform


def told(lab: FakeEngine, kind: str, target: str, *arguments: str) -> str:
    return "\n".join(perform(lab, event(kind, target, arguments)).changes)


def unheard(lab: FakeEngine) -> dict[str, set[str]]:
    """By host: the addresses from which it takes nothing."""
    return {name: set(cable.unheard.split(", ")) for name, cable in lab.cables.items() if cable.unheard}


def addresses(lab: FakeEngine, *hosts: str) -> set[str]:
    return {str(lab.hosts()[host].addresses["public"]) for host in hosts}


def test_each_side_hears_only_itself_until_they_are_joined(lab: FakeEngine) -> None:
    assert told(lab, "split", "public", "server,nat_a") == "public: server, nat_a | internet, nat_b"
    there = unheard(lab)
    assert there.keys() == {"internet", "nat_a", "nat_b", "server"}, "the others are in other networks"
    assert there["server"] == there["nat_a"] == addresses(lab, "internet", "nat_b")
    assert there["internet"] == there["nat_b"] == addresses(lab, "server", "nat_a")
    assert all(helper.removed for helper in lab.helpers)
    told(lab, "join", "public")
    assert unheard(lab) == {}


def test_who_does_not_run_is_on_no_side(lab: FakeEngine) -> None:
    lab.kill("nat_b")
    assert "nat_b" not in told(lab, "split", "public", "server")


def test_only_hosts_of_the_network_can_be_named(lab: FakeEngine) -> None:
    with pytest.raises(LabError, match="edge_a is not in public") as caught:
        told(lab, "split", "public", "server,edge_a")
    assert "server" in caught.value.next_step
    with pytest.raises(LabError, match="there is no service 'nobody'"):
        told(lab, "split", "public", "nobody")
    lab.kill("server")
    with pytest.raises(LabError, match="server does not run"):
        told(lab, "split", "public", "server")
