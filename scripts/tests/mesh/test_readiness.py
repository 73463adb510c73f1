import pytest
from pydantic import ValidationError

from builders import node_status, status_json
from macula_lab.mesh.expectation import Expectation
from macula_lab.mesh.models import NodeStatus
from macula_lab.mesh.readiness import lacks, not_ready

EXPECTED = Expectation(members={"a": 2}, cut_off={"b": "nat_b lets no UDP out"}, calls=())
COMPLETE = node_status("a", ["c", "d"])
ALONE = node_status("b", [], ready=False)


def test_a_complete_member_of_the_mesh_lacks_nothing() -> None:
    assert lacks(node_status("a", ["b", "c"]), contacts=2) == ""
    assert lacks(node_status("a", []), contacts=0) == ""


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
    assert lacks(status, contacts=2) == reason


def test_a_mesh_is_ready_when_its_members_are_and_the_others_are_cut_off() -> None:
    assert not_ready(EXPECTED, {"a": COMPLETE, "b": ALONE}) == {}


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (None, "does not answer"),
        (node_status("b", []), "is connected, but cannot be: nat_b lets no UDP out"),
        (node_status("b", ["a"], ready=False), "is connected, but cannot be: nat_b lets no UDP out"),
    ],
)
def test_one_that_must_be_cut_off_and_is_not_is_as_wrong(status: NodeStatus | None, reason: str) -> None:
    assert not_ready(EXPECTED, {"a": COMPLETE, "b": status}) == {"b": reason}


def test_only_those_that_were_asked_are_told() -> None:
    assert not_ready(EXPECTED, {"a": None}) == {"a": "does not answer"}
    assert not_ready(EXPECTED, {"b": ALONE}) == {}


def test_a_status_without_a_field_is_refused_by_name() -> None:
    told = status_json("a", ["b"])
    del told["dht"]["nodes"]

    with pytest.raises(ValidationError, match=r"dht\.nodes"):
        NodeStatus.model_validate(told)
