"""`macula-lab event`, as a person types it."""

import json

import pytest
import typer
from typer.testing import CliRunner

from fake_lab import FakeEngine
from macula_lab.cli.event import event
from macula_lab.errors import LabError
from macula_lab.events.perform import KINDS


@pytest.fixture
def app(lab: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    """The command alone, on the lab in memory."""

    def open_lab(name: str, project: str, engine: str) -> FakeEngine:
        assert (name, project, engine) == ("nat-pair", "", "netns")
        return lab

    monkeypatch.setattr("macula_lab.cli.event.open_lab", open_lab)
    app = typer.Typer()
    app.command()(event)
    return app


OF_LAB = ["--topology", "nat-pair", "--engine", "netns"]


def test_alone_it_lists_what_can_happen(app: typer.Typer) -> None:
    answer = CliRunner().invoke(app, [])
    assert answer.exit_code == 0
    assert [line.split()[0] for line in answer.stdout.splitlines()] == list(KINDS)


def test_it_tells_what_changed(app: typer.Typer) -> None:
    answer = CliRunner().invoke(app, ["roam", "edge_a", "lan_b", "172.24.2.200", *OF_LAB])
    assert answer.stdout == "edge_a: lan_a 172.24.1.31 -> lan_b 172.24.2.200\n"


def test_as_json(app: typer.Typer) -> None:
    answer = CliRunner().invoke(app, ["kill", "edge_b", "--json", *OF_LAB])
    told = json.loads(answer.stdout)
    assert told.items() >= {"event": "kill", "target": "edge_b", "changes": ["edge_b: running -> exited (137)"]}.items()


def test_words_that_make_no_event_need_no_lab(app: typer.Typer) -> None:
    answer = CliRunner().invoke(app, ["rome", "edge_a"])
    assert isinstance(answer.exception, LabError)
    assert "there is no event 'rome'" in str(answer.exception)
