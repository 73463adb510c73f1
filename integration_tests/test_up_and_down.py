"""`macula-lab up` and `down` as a person types them: once, twice, interrupted and killed."""

import json
import signal
from pathlib import Path

import pytest

from home_lab import NETWORK, PROJECT, alone, brought_up, left, opened, refused, running_up, typed
from macula_lab import records
from macula_lab.engines.contract import Engine
from macula_lab.lab import DOCKER, NETNS

pytestmark = pytest.mark.timeout(300)


def test_up_shows_and_proves_down_leaves_nothing(file: Path, engine: str) -> None:
    told = brought_up(file, engine, NAT="full_cone")

    assert (told["engine"], told["project"], told["topology"]) == (engine, PROJECT, "home")
    members = {member["service"]: member for member in told["nodes"]}
    assert (members["nat"]["role"], members["nat"]["nat"]) == ("router", "full_cone")
    assert (members["edge"]["nat"], members["edge"]["address"]) == ("behind nat", f"{NETWORK}.1.31")
    assert [(call["caller"], call["provider"], call["path"]) for call in told["proof"]["calls"]] == [
        ("edge", "bootstrap", "direct")
    ]

    table = typed("ps")
    assert table.returncode == 0, table.stderr
    for word in ("full_cone", "behind nat", f"{NETWORK}.0.10", members["edge"]["status"]["short_id"]):
        assert word in table.stdout
    # --project stands before the service: what follows is the command.
    inside = typed("exec", "--project", PROJECT, "edge", "--", "macula", "status", "--json")
    assert json.loads(inside.stdout)["node_id"] == members["edge"]["status"]["node_id"]
    assert "node.started" in typed("logs", "edge").stdout

    ended = typed("down")
    assert ended.returncode == 0, ended.stderr
    assert left(engine) == []
    assert PROJECT not in records.every()
    assert typed("down").returncode == 0
    assert f"{PROJECT} is not up" in typed("ps").stderr


def test_up_twice_changes_nothing(file: Path, engine: str) -> None:
    brought_up(file, engine, NAT="symmetric")
    lab = opened(file, engine)
    before = mapping(lab)
    uptime = json.loads(lab.execute("edge", ["macula", "status", "--json"]).stdout)["uptime_s"]

    again = brought_up(file, "")

    assert again["engine"] == engine
    assert {member["service"]: member["nat"] for member in again["nodes"]}["nat"] == "symmetric"
    assert mapping(lab) == before, "the router forgot nothing"
    assert json.loads(lab.execute("edge", ["macula", "status", "--json"]).stdout)["uptime_s"] > uptime


def mapping(lab: Engine) -> list[str]:
    """The outside port of the edge's connection to the bootstrap."""
    shown = json.loads(lab.execute("nat", ["macula-router", "show", "--json"]).stdout)
    inside = [entry for entry in shown["mappings"] if entry["inside"] == f"{NETWORK}.1.31:9443"]
    assert inside
    return sorted(entry["outside"] for entry in inside)


def test_up_with_other_values_or_on_the_other_engine_is_refused(file: Path, engine: str) -> None:
    brought_up(file, engine, NAT="full_cone")
    other = NETNS if engine == DOCKER else DOCKER

    assert "NAT is full_cone, not symmetric" in refused(file, engine, NAT="symmetric")
    assert f"{PROJECT} is up on {engine}, not on {other}" in refused(file, other)
    assert opened(file, engine).hosts()["edge"].running


@pytest.mark.parametrize("until", ["Making networks", "Checking that", "Starting", "Waiting until"])
def test_ctrl_c_leaves_nothing(file: Path, engine: str, until: str) -> None:
    with running_up(file, engine, until) as process:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130

    assert left(engine) == []
    assert PROJECT not in records.every()


def test_ctrl_c_leaves_a_lab_that_was_up_before(file: Path, engine: str) -> None:
    brought_up(file, engine)

    with running_up(file, engine, "Starting") as process:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130

    assert {name for name, host in opened(file, engine).hosts().items() if host.running} == {"nat", "bootstrap", "edge"}
    assert PROJECT in records.every()


def test_down_removes_what_a_killed_up_left_and_nothing_else(file: Path, engine: str) -> None:
    neighbour = file.with_name("neighbour.yaml")
    neighbour.write_text(f"services: {{alone: {{image: macula-node, networks: [net]}}}}\n{alone(98)}")
    lab = opened(neighbour, engine, "macula-test-neighbour")
    try:
        lab.start()
        with running_up(file, engine, "Checking that") as process:
            process.kill()
        assert left(engine)

        assert typed("down").returncode == 0

        assert left(engine) == []
        assert lab.hosts()["alone"].running
    finally:
        lab.down()


def test_a_half_made_lab_is_completed_by_up(file: Path, engine: str) -> None:
    with running_up(file, engine, "Checking that") as process:
        process.kill()

    told = brought_up(file, engine)

    assert all(member["state"].startswith("running") for member in told["nodes"])


def test_down_removes_a_lab_from_the_engine_that_nobody_remembers(file: Path, engine: str) -> None:
    opened(file, engine).start(["nat"])
    assert left(engine)

    assert typed("down").returncode == 0

    assert left(engine) == []
