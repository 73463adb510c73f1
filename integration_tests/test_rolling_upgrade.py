"""Two versions of the node in one mesh, as while a mesh is upgraded: they find, call and tell each other."""

import json

import pytest

from asking import REALM, WHOAMI, call, eventually, found_names, ids, publish, subscribers
from labs import Labs
from macula_lab.mesh.mesh import CommandRefused, Mesh

OLD, NEW = {"bootstrap", "edge1", "edge2"}, {"gateway", "edge3", "edge4"}
ECHO = f"{REALM}.demo.echo"
EDGES = ["edge1", "edge2", "edge3", "edge4"]
ACROSS = [("edge1", "edge3"), ("edge3", "edge1"), ("edge2", "edge4"), ("edge4", "edge2")]


@pytest.fixture(scope="module")
def mixed(labs: Labs) -> Mesh:
    """compose/rolling-upgrade.yaml, ready."""
    return Mesh(labs.up("netns", "rolling-upgrade", LAB_NETWORK="172.21"))


@pytest.fixture(scope="module", params=["docker", "netns"])
def both(request: pytest.FixtureRequest, labs: Labs) -> Mesh:
    """The same, on each engine: from an image of each version, and from the source of each."""
    engine: str = request.param
    return Mesh(labs.up(engine, "rolling-upgrade", LAB_NETWORK="172.26" if engine == "docker" else "172.21"))


def test_they_are_two_versions_and_one_mesh(both: Mesh) -> None:
    commits = {name: both.exec_json(name, ["status"])["commit"] for name in both.nodes()}
    assert {commits[name] for name in OLD} == {both.engine.plan.services["bootstrap"].version}
    assert not {commits[name] for name in OLD} & {commits[name] for name in NEW}
    assert all(both.status(name).ready for name in OLD | NEW)


@pytest.mark.parametrize(("caller", "provider"), ACROSS)
def test_calls_go_from_either_to_the_other(both: Mesh, caller: str, provider: str) -> None:
    answer = call(both, caller, WHOAMI, "null", "--to", ids(both)[provider])
    assert (answer["result"]["name"], answer["path"]) == (provider, "direct")


@pytest.mark.parametrize("caller", ["edge1", "edge3"])
def test_each_finds_the_providers_of_both(mixed: Mesh, caller: str) -> None:
    eventually("all records are found", lambda: found_names(mixed, caller, WHOAMI, "rpc") == set(EDGES))
    assert {call(mixed, caller, WHOAMI)["result"]["name"] for _ in range(6)} >= {"edge2", "edge4"}


def test_an_older_version_is_not_asked_to_stream(mixed: Mesh) -> None:
    def streamed(provider: str) -> list[dict[str, str]]:
        return list(mixed.stream("edge3", ["call", WHOAMI, "null", "--stream", "--to", ids(mixed)[provider]]))

    assert [item["name"] for item in streamed("edge4")] == ["edge4"]
    with pytest.raises(CommandRefused, match="does not offer 'stream'") as refused:
        streamed("edge1")
    assert refused.value.code == "not_found"


def test_the_doctor_of_a_newer_node_names_older_peers_and_what_they_lack(mixed: Mesh) -> None:
    told = {finding["check"]: finding for finding in mixed.exec_json("edge3", ["doctor"])}
    found = told["versions of peers"]
    assert found["verdict"] == "warning"
    assert "bootstrap" in found["seen"] and "older than this node, without" in found["seen"]
    assert "stream" in found["seen"] and "edge4" not in found["seen"]


@pytest.mark.parametrize(("caller", "provider"), [*ACROSS[:2], ("edge3", "edge4")])
def test_a_payload_that_newer_versions_compress_arrives_whole(mixed: Mesh, caller: str, provider: str) -> None:
    text = "compresses well " * 1000
    answer = call(mixed, caller, ECHO, json.dumps(text), "--to", ids(mixed)[provider])
    assert (answer["result"], answer["path"]) == (text, "direct")


@pytest.mark.parametrize("publisher", ["edge1", "edge3"])
def test_an_event_reaches_subscribers_of_both(mixed: Mesh, publisher: str) -> None:
    topic = f"{REALM}.upgrade.{publisher}"
    with subscribers(mixed, {"edge2": topic, "edge4": f"{REALM}.upgrade.*"}, 1) as receiving:
        report = publish(mixed, publisher, topic, '"from either"', "--qos", "1")
        assert set(report["delivered"]) == {ids(mixed)["edge2"], ids(mixed)["edge4"]}
        for subscriber in receiving.values():
            assert [event["payload"] for event in subscriber.take(1)] == ["from either"]


def test_calls_go_on_while_one_after_the_other_is_restarted(mixed: Mesh) -> None:
    """What an upgrade does to a mesh: an edge of either version is away once."""
    for away in ("edge1", "edge4"):
        mixed.engine.stop(away)
        answered = {call(mixed, "edge3", WHOAMI, "null", "--timeout", "10")["result"]["name"] for _ in range(3)}
        assert answered and away not in answered
        mixed.engine.restart(away)
        mixed.wait_ready()
