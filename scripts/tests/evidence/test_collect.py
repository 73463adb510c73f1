import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from macula_lab.engines.contract import Engine, Finished, Host
from macula_lab.errors import LabError
from macula_lab.evidence import capture, collect
from nat_scene import ADDRESSES, NAT_A, drop, pair, shown


class Silent:
    """An engine that answers no question but where its hosts are."""

    name = "netns"
    project = "macula-scene-of-the-tests"

    def __init__(self) -> None:
        self.plan = pair()
        self.up = {name: Host(name, "running", True, ADDRESSES[name]) for name in self.plan.services}

    def hosts(self) -> dict[str, Host]:
        return self.up

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def fail(*arguments: object, **named: object) -> None:
            raise LabError(f"cannot {name}", evidence="a long story")

        return fail


class Talking(Silent):
    """One whose hosts answer what they are asked."""

    def execute(self, service: str, argv: Sequence[str], *, timeout: float = 60.0) -> Finished:
        match list(argv):
            case ["macula-router", "show", "--json"]:
                told = shown("home", NAT_A, "172.27.1.3", drops=[drop("private", "1.2.3.4:5", "172.27.1.31:6")])
                return Finished(0, json.dumps(told), "")
            case ["macula", "status", "--json"]:
                return Finished(0, json.dumps({"mode": "edge", "short_id": "ab3k", "ready": True}), "")
            case ["macula", "settings", "--json"]:
                rows = [{"name": "key_log", "value": "/d/keys.log"}, {"name": "qlog_dir", "value": "/d/traces"}]
                return Finished(0, json.dumps(rows), "")
            case ["ls", "-t", "/d/traces"]:
                return Finished(0, "new-client.sqlog\nold-server.sqlog\n", "")
            case ["cat", path]:
                return Finished(0, f"content of {path}", "")
        return Finished(0, f"{' '.join(argv)} in {service}", "")

    def logs(self, service: str, tail: int | None = None) -> str:
        return f"2026-01-31T12:00:00.250Z warning said.so by={service}\n"

    def kept(self, name: str) -> None:
        return None


def engine(made: Silent) -> Engine:
    return cast("Engine", made)


def test_everything_is_kept_as_a_file_and_told_on_the_page(tmp_path: Path) -> None:
    page = collect.collect(engine(Talking()), tmp_path / "evidence")
    assert page == tmp_path / "evidence" / "index.html"
    files = {str(path.relative_to(page.parent)) for path in page.parent.rglob("*") if path.is_file()}
    assert {
        "evidence.json",
        "index.html",
        "versions.json",
        "scenario/plan.json",
        "routers/nat_a.json",
        "routers/nat_a.nft",
        "routers/nat_a.routes",
        "services/edge_a.log",
        "services/edge_a.status.json",
        "services/edge_a.settings.json",
        "services/edge_a.keys.log",
        "services/edge_a.qlog/new-client.sqlog",
    } <= files
    assert (page.parent / "services/edge_a.keys.log").read_text() == "content of /d/keys.log"
    told = json.loads((page.parent / "evidence.json").read_text())
    assert told["routers"]["nat_a"]["drops"][0]["reason"] == "private"
    assert {entry["where"] for entry in told["timeline"]} == set(pair().services)
    assert "services/edge_a.keys.log" in page.read_text()


def test_what_cannot_be_had_is_noted_and_stops_nothing(tmp_path: Path) -> None:
    page = collect.collect(engine(Silent()), tmp_path)
    missing = json.loads((tmp_path / "evidence.json").read_text())["missing"]
    assert "nat_a: show: cannot execute" in missing and "edge_a: log: cannot logs" in missing
    assert "nat_a: captures: cannot kept" in missing and not any("a long story" in note for note in missing)
    assert "cannot execute" in page.read_text()


def test_a_router_that_talks_nonsense_is_noted(tmp_path: Path) -> None:
    class Confused(Talking):
        def execute(self, service: str, argv: Sequence[str], *, timeout: float = 60.0) -> Finished:
            if argv[0] == "macula-router":
                return Finished(0, json.dumps({"mappings": "many"}), "")
            return super().execute(service, argv)

    collect.collect(engine(Confused()), tmp_path)
    missing = json.loads((tmp_path / "evidence.json").read_text())["missing"]
    assert any(note.startswith("nat_a: ") and "does not understand" in note for note in missing)


@pytest.mark.parametrize(
    ("names", "message"),
    [(["edge_a"], "edge_a is no router"), (["nat_a"], "nat_a does not run"), ([], "no router of .* runs")],
)
def test_who_cannot_be_captured_is_named(names: list[str], message: str) -> None:
    lab = Silent()
    lab.up = {name: Host(name, "killed", False) for name in lab.plan.services}
    with pytest.raises(LabError, match=message):
        capture.start(engine(lab), names)


def test_nothing_to_stop_is_told() -> None:
    with pytest.raises(LabError, match="no packets of nat_a are being captured") as refused:
        capture.stop(engine(Talking()), ["nat_a"])
    assert "capture start" in refused.value.next_step
