import pytest
from pydantic import ValidationError

from builders import node_status, status_json
from macula_lab.errors import LabError
from macula_lab.mesh.models import NodeStatus
from macula_lab.topology import CommandRefused, Topology, lacks, told_error
from macula_lab.workspace import topologies


def test_a_complete_member_of_the_mesh_lacks_nothing() -> None:
    assert lacks(node_status("a", ["b", "c"]), others=2) == ""
    assert lacks(node_status("a", []), others=0) == ""


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (None, "does not answer"),
        (node_status("a", ["b", "c"], ready=False), "is not ready"),
        (node_status("a", []), "has no peer"),
        (node_status("a", ["b"]), "knows 1 of 2 nodes"),
    ],
)
def test_what_a_node_lacks_is_named(status: NodeStatus | None, reason: str) -> None:
    assert lacks(status, others=2) == reason


def test_a_status_without_a_field_is_refused_by_name() -> None:
    told = status_json("a", ["b"])
    del told["dht"]["nodes"]

    with pytest.raises(ValidationError, match=r"dht\.nodes"):
        NodeStatus.model_validate(told)


@pytest.mark.parametrize(
    ("stdout", "error"),
    [
        ('{"error": {"code": "not_found", "message": "nobody"}}', {"code": "not_found", "message": "nobody"}),
        ('{"result": 3}', {}),
        ('{"error": "text"}', {}),
        ("[1]", {}),
        ("Traceback ...", {}),
        ("", {}),
    ],
)
def test_the_error_of_a_command(stdout: str, error: dict[str, str]) -> None:
    assert told_error(stdout) == error


def test_a_refused_command_carries_the_node_s_own_words() -> None:
    refused = CommandRefused("edge1", ["call", "x"], 1, {"code": "timeout", "message": "no answer in 2 s"}, "")

    assert (refused.code, refused.message, refused.exit_code) == ("timeout", "no answer in 2 s", 1)
    assert str(refused) == "`macula call x` in edge1: timeout: no answer in 2 s"


def test_an_unknown_topology_is_refused_with_the_known_ones() -> None:
    with pytest.raises(LabError, match="no topology 'nosuch'") as caught:
        Topology("nosuch", ("docker-compose",))

    assert caught.value.next_step == "choose one of: " + ", ".join(topologies())


def test_the_project_is_named_after_the_topology_unless_told_otherwise() -> None:
    assert Topology("mesh", ("docker-compose",)).project == "macula-mesh"
    assert Topology("mesh", ("docker-compose",), "mine").project == "mine"


def test_the_network_is_told_to_compose_only_when_it_is_not_the_file_s_own() -> None:
    assert Topology("mesh", ("docker-compose",)).environment() == {}
    assert Topology("mesh", ("docker-compose",), network="10.77").environment() == {"LAB_NETWORK": "10.77"}
