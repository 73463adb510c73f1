"""What is asked of the nodes of a lab, and when they are a mesh."""

import json
from collections.abc import Generator, Mapping, Sequence
from ipaddress import IPv4Address

import pytest

from builders import status_json
from fake_lab import FakeEngine
from macula_lab.engines.contract import Finished, Host
from macula_lab.errors import LabError
from macula_lab.mesh.expectation import Expectation
from macula_lab.mesh.mesh import CommandRefused, Mesh, told_error, waiting_for

EXPECTED = Expectation(members={"a": 1}, cut_off={"b": "no UDP"}, calls=())


class Lab(FakeEngine):
    """edge_a answers, edge_b does not."""

    def execute(self, service: str, argv: Sequence[str], *, timeout: float = 60.0) -> Finished:
        if argv[0] == "macula-router":
            return Finished(0, json.dumps({"preset": "symmetric", "profile": "mapping=apdm"}), "")
        if service == "edge_a":
            return Finished(0, json.dumps(status_json("a", [])), "")
        return Finished(1, '{"error": {"code": "no_node", "message": "nobody"}}', "words")

    def stream(self, service: str, argv: Sequence[str]) -> Generator[str, None, Finished]:
        yield '{"subscribed": "x"}'
        yield '{"error": {"code": "timeout", "message": "nothing came"}}'
        return Finished(1, "", "words")


def host(state: str) -> Host:
    return Host("x", state, state.startswith("running"))


@pytest.fixture
def mesh() -> Mesh:
    return Mesh(Lab())


def test_nodes_are_the_services_of_our_image(mesh: Mesh) -> None:
    assert mesh.nodes() == ["edge_a", "edge_b"]
    assert mesh.address("edge_a") == "172.24.1.31"


def test_an_answer_is_parsed(mesh: Mesh) -> None:
    assert mesh.status("edge_a").name == "a"


def test_a_refusal_carries_the_node_s_own_words(mesh: Mesh) -> None:
    with pytest.raises(CommandRefused) as refused:
        mesh.exec_json("edge_b", ["status"])

    assert (refused.value.code, refused.value.message, refused.value.exit_code) == ("no_node", "nobody", 1)
    assert str(refused.value).startswith("`macula status` in edge_b: no_node: nobody")


def test_a_stream_that_ends_badly_tells_why(mesh: Mesh) -> None:
    lines = mesh.stream("edge_a", ["subscribe", "x"])

    assert next(lines) == {"subscribed": "x"}
    next(lines)
    with pytest.raises(CommandRefused, match="timeout: nothing came"):
        next(lines)


def test_members_are_told_with_their_nat_and_what_they_are_behind(mesh: Mesh) -> None:
    members = {member.service: member for member in mesh.members()}

    assert members["nat_a"].nat == "symmetric"
    assert members["internet"].nat == "plain router"
    assert members["edge_a"].nat == "behind nat_a"
    assert members["server"].nat == ""
    assert members["edge_a"].status
    assert members["edge_b"].status is None
    assert [member.role for member in mesh.members()] == ["edge", "edge", "", "router", "router", "router"]


@pytest.mark.parametrize(
    ("states", "waiting"),
    [
        ({"a": "running", "b": "running (unhealthy)"}, {}),
        ({"a": "running (healthy)", "b": "running (starting)"}, {}),
        ({"a": "paused", "b": "exited (1)"}, {"b": "exited (1)", "a": "paused"}),
        ({"b": "paused"}, {"a": "not there", "b": "paused"}),
    ],
)
def test_who_is_waited_for(states: Mapping[str, str], waiting: dict[str, str]) -> None:
    hosts = {name: host(state) for name, state in states.items()}

    assert list(waiting_for(hosts, EXPECTED).items()) == list(waiting.items())


def test_a_mesh_that_does_not_come_about_names_who_and_why() -> None:
    lab = Lab()
    lab.logs = lambda service, tail=None: f"log of {service}"  # type: ignore[method-assign]

    with pytest.raises(LabError, match="macula-nat-pair is not ready after 0 s") as caught:
        Mesh(lab).wait_ready(deadline=0)

    assert "edge_b: does not answer" in caught.value.cause
    assert caught.value.evidence == "log of edge_b"


def test_as_long_as_a_node_is_not_ready_only_that_one_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("macula_lab.mesh.mesh.time.sleep", lambda _seconds: None)

    asked: list[str] = []

    class Starting(Lab):
        def execute(self, service: str, argv: Sequence[str], *, timeout: float = 60.0) -> Finished:
            if argv[0] == "macula":
                asked.append(service)
                if service == "edge_b" and asked.count(service) > 2:
                    return Finished(0, json.dumps(status_json("b", [])), "")
            return super().execute(service, argv, timeout=timeout)

    Mesh(Starting()).wait_ready()

    assert sorted(asked[:2]) == sorted(asked[-2:]) == ["edge_a", "edge_b"]
    assert asked[2:-2] == ["edge_b", "edge_b"]


def test_a_node_that_ended_is_not_waited_for() -> None:
    lab = Lab()
    lab.logs = lambda service, tail=None: f"log of {service}"  # type: ignore[method-assign]
    lab.states["edge_a"] = Host("edge_a", "exited (2)", False, {"lan_a": IPv4Address("172.24.1.31")})

    with pytest.raises(LabError, match=r"is not ready: edge_a: exited \(2\)"):
        Mesh(lab).wait_ready(deadline=600)


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
