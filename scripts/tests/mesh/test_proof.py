"""Calls and an event that prove a mesh: each wrong answer is noticed."""

import json
from collections.abc import Generator, Sequence
from typing import Any

import pytest

from builders import node_status
from fake_lab import FakeEngine
from macula_lab.errors import LabError
from macula_lab.mesh.expectation import Call, Expectation, Path
from macula_lab.mesh.mesh import CommandRefused, Mesh
from macula_lab.mesh.models import NodeStatus
from macula_lab.mesh.proof import prove

A, B = "a" * 10, "b" * 10


class Answering(Mesh):
    """Two edges of which one calls and publishes to the other; `answer` and `got` can be made wrong."""

    def __init__(self) -> None:
        super().__init__(FakeEngine())
        self.answer: dict[str, Any] = {"provider": B, "result": {"node_id": B}, "path": "relayed", "latency_ms": 3.0}
        self.later = "relayed"
        """the path of every answer but the first"""
        self.refused = False
        self.got: dict[str, Any] = {"publisher": A}

    def status(self, service: str) -> NodeStatus:
        return node_status(service.removeprefix("edge_"), [])

    def exec_json(self, service: str, argv: Sequence[str]) -> Any:
        if argv[0] == "publish":
            self.got = {"payload": json.loads(argv[2])} | self.got
            return {"latency_ms": 4.0}
        if self.refused:
            raise CommandRefused(service, argv, 1, {"code": "disconnected"}, "")
        answer, self.answer = self.answer, {**self.answer, "path": self.later}
        return answer

    def stream(self, service: str, argv: Sequence[str]) -> Generator[Any, None, None]:
        yield {"subscribed": "x"}
        yield self.got


@pytest.fixture
def mesh() -> Answering:
    return Answering()


def expected(path: Path) -> Expectation:
    members = {"edge_a": 1, "edge_b": 1} if path is not Path.NONE else {"edge_b": 0}
    cut_off = {} if path is not Path.NONE else {"edge_a": "no UDP"}
    return Expectation(members, cut_off, (Call("edge_a", "edge_b", path),))


def test_a_call_by_the_path_it_must_take_and_an_event(mesh: Answering) -> None:
    proof = prove(mesh, expected(Path.RELAYED))

    (call,) = proof.calls
    assert (call.caller, call.provider, call.path, call.latency_ms) == ("edge_a", "edge_b", "relayed", 3.0)
    assert call.procedure == "org.example.mesh.demo.whoami"
    assert proof.event
    assert (proof.event.publisher, proof.event.subscriber, proof.event.latency_ms) == ("edge_a", "edge_b", 4.0)


def test_peers_that_can_meet_are_given_the_time_for_it(mesh: Answering) -> None:
    mesh.later = "direct"
    assert prove(mesh, expected(Path.DIRECT)).calls[0].path == "direct"


def test_a_direct_path_where_none_can_be_is_a_failure(mesh: Answering) -> None:
    mesh.answer["path"] = "direct"
    with pytest.raises(LabError, match="edge_a reached edge_b direct, with these NATs it must be relayed"):
        prove(mesh, expected(Path.RELAYED))


def test_another_path_is_a_failure(mesh: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("macula_lab.mesh.proof.MEETING_DEADLINE", 0.0)
    with pytest.raises(LabError, match="edge_a reached edge_b relayed, with these NATs it must be direct"):
        prove(mesh, expected(Path.DIRECT))


def test_somebody_else_s_answer_is_a_failure(mesh: Answering) -> None:
    mesh.answer["result"] = {"node_id": A}

    with pytest.raises(LabError, match="somebody else answered"):
        prove(mesh, expected(Path.RELAYED))


def test_a_call_that_is_refused_is_a_failure(mesh: Answering) -> None:
    mesh.refused = True

    with pytest.raises(CommandRefused):
        prove(mesh, expected(Path.RELAYED))


def test_one_that_is_cut_off_must_be_refused(mesh: Answering) -> None:
    mesh.refused = True

    proof = prove(mesh, expected(Path.NONE))

    assert [(call.path, call.latency_ms) for call in proof.calls] == [("none", None)]
    assert proof.event is None
    assert proof.cut_off == {"edge_a": "no UDP"}


def test_one_that_must_be_cut_off_and_is_answered_is_a_failure(mesh: Answering) -> None:
    with pytest.raises(LabError, match="edge_a must not reach edge_b"):
        prove(mesh, expected(Path.NONE))


def test_an_event_of_somebody_else_is_a_failure(mesh: Answering) -> None:
    mesh.got = {"publisher": B}

    with pytest.raises(LabError, match="edge_b received"):
        prove(mesh, expected(Path.RELAYED))
