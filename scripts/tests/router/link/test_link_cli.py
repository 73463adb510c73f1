"""`macula-lab link`, as a person types it."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from fake_lab import FakeEngine
from macula_lab.cli.link import link
from macula_lab.engines.contract import Finished
from macula_lab.errors import LabError

COUNTERS = {"offered": 20, "lost": 1, "overflowed": 2, "duplicated": 3, "reordered": 4, "delivered": 5, "missed": 6}
SHAPED: dict[str, Any] = {
    "out": "delay=25,loss=1",
    "in": "none",
    "seed": 77,
    "running": True,
    "counters": {"out": COUNTERS},
    "problem": "",
}
FREE: dict[str, Any] = {"out": "none", "in": "none", "seed": None, "running": False, "counters": {}, "problem": ""}


class Lab(FakeEngine):
    """The lab in memory, whose routers tell of their links."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, list[str]]] = []
        self.links: dict[str, dict[str, Any]] = {"nat_a": SHAPED, "nat_b": FREE}
        self.refusal = ""

    def execute(self, service: str, argv: Sequence[str], *, timeout: float = 60.0) -> Finished:
        assert list(argv[:2]) == ["macula-router", "link"]
        assert argv[-1] == "--json"
        self.asked.append((service, list(argv[2:-1])))
        return Finished(1, "", self.refusal) if self.refusal else Finished(0, json.dumps(self.links[service]), "")


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Lab:
    """nat-pair, up."""
    made = Lab()

    def open_lab(name: str, project: str, engine: str) -> Lab:
        assert (name, project, engine) == ("nat-pair", "", "")
        return made

    monkeypatch.setenv("TOPOLOGY", "nat-pair")
    monkeypatch.setattr("macula_lab.cli.link.open_lab", open_lab)
    return made


def answer(*words: str) -> str:
    """What the command prints. Raises what it raises."""
    app = typer.Typer()
    app.command()(link)
    ended = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    return ended.stdout


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ("--delay 40 --jitter 5", "set --out delay=40,jitter=5 --in delay=40,jitter=5"),
        ("--delay 40 --direction out", "set --out delay=40"),
        ("--loss 2.5 --direction in --seed 7", "set --in loss=2.5 --seed 7"),
        ("--rate 10mbit --duplicate 1 --direction out", "set --out rate=10mbit,duplicate=1"),
        ("--delay 5 --reorder 1 --direction out", "set --out delay=5,reorder=1"),
        ("--delay 0 --direction out", "set --out none"),
        ("--seed 7", "set --seed 7"),
        ("--clear", "set --out none --in none"),
        ("--clear --direction in", "set --in none"),
        ("", "show"),
    ],
)
def test_options_become_words_for_the_router(lab: Lab, words: str, asked: str) -> None:
    answer("nat_a", *words.split())
    assert lab.asked == [("nat_a", asked.split())]


def test_without_a_router_all_are_shown(lab: Lab) -> None:
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in answer().splitlines() if line.startswith("│")]
    assert rows == [
        ["nat_a", "out", "delay=25,loss=1", "77", "20", "1", "2", "3", "4", "5", "6"],
        ["nat_a", "in", "none", "", "", "", "", "", "", "", ""],
        ["nat_b", "out", "none", "", "", "", "", "", "", "", ""],
        ["nat_b", "in", "none", "", "", "", "", "", "", "", ""],
    ]


def test_as_json(lab: Lab) -> None:
    assert json.loads(answer("--json")) == {"nat_a": SHAPED, "nat_b": FREE}
    assert json.loads(answer("nat_a", "--delay", "3", "--json")) == {"nat_a": SHAPED}


def test_a_link_that_is_broken_says_so(lab: Lab) -> None:
    lab.links["nat_b"] = {**FREE, "problem": "the program that shapes was killed"}
    assert answer("nat_b").splitlines()[-1] == "nat_b: the program that shapes was killed"


@pytest.mark.parametrize(
    ("words", "says", "next_step"),
    [
        ("nowhere", "SERVICE: nowhere is not a service", "choose one of: nat_a, nat_b"),
        ("internet --loss 1", "SERVICE: internet has no uplink (WAN)", "choose one of: nat_a, nat_b"),
        ("--delay 5", "SERVICE: none is named", "choose one of: internet, nat_a, nat_b"),
        ("nat_a --clear --delay 5", "--clear: ", "use --clear alone"),
        ("nat_a --clear --seed 5", "--clear: ", "use --clear alone"),
        ("nat_a --delay 5 --jitter 6", "jitter: 6 is not within 0 to 5 ms", "within its limits"),
        ("nat_a --loss 101", "loss: 101 is not within 0 to 100 %", "within its limits"),
        ("nat_a --rate fast", "rate: 'fast' is not a number of bit/s, such as 10mbit", "rate=NUMBER"),
        ("nat_a --reorder 1", "reorder: packets overtake only where there is a delay", "delay"),
    ],
)
def test_what_cannot_be_is_refused_before_a_router_is_asked(lab: Lab, words: str, says: str, next_step: str) -> None:
    with pytest.raises(LabError) as error:
        answer(*words.split())
    assert error.value.cause.startswith(says)
    assert next_step in error.value.next_step
    assert lab.asked == []


def test_what_a_router_refuses_is_told_in_its_words(lab: Lab) -> None:
    lab.refusal = "macula-router: devices: /dev/net/tun cannot be opened; give the service `devices: [/dev/net/tun]`\n"
    with pytest.raises(LabError) as error:
        answer("nat_a", "--delay", "5")
    assert error.value.cause == "nat_a: devices: /dev/net/tun cannot be opened"
    assert error.value.next_step == "give the service `devices: [/dev/net/tun]`"


def test_another_host_is_shaped_by_a_helper_beside_it_while_anything_is_asked(lab: Lab) -> None:
    assert json.loads(answer("edge_a", "--json"))["edge_a"]["out"] == "none"
    assert all(helper.removed for helper in lab.helpers), "nothing is asked of it"
    answer("edge_a", "--loss", "20", "--direction", "out")
    assert lab.cables["edge_a"].link == "loss=20"
    (helper,) = [helper for helper in lab.helpers if not helper.removed]
    assert list(json.loads(answer("--json"))) == ["nat_a", "nat_b", "edge_a"]
    assert "loss=20" in answer("edge_a")
    answer("edge_a", "--clear", "--direction", "out")
    assert helper.removed and lab.cables["edge_a"].link == "none"
    assert lab.asked == [("nat_a", ["show"]), ("nat_b", ["show"])], "routers shape themselves"


def test_a_host_that_cannot_be_shaped_says_why_and_keeps_no_helper(lab: Lab) -> None:
    lab.cables["edge_a"].refusal = "macula-router: devices: /dev/net/tun cannot be opened; load the module tun"
    with pytest.raises(LabError, match="edge_a: devices: /dev/net/tun cannot be opened"):
        answer("edge_a", "--loss", "20", "--direction", "out")
    assert all(helper.removed for helper in lab.helpers)
    lab.kill("edge_b")
    with pytest.raises(LabError, match="edge_b does not run"):
        answer("edge_b", "--delay", "5")
