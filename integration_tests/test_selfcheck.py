"""Routers are what they are called, or `up` refuses them; and the whole grid of NATs is what it is called."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labs import PREFIX, Labs, router
from macula.nat.profile import PRESETS, parse
from macula_lab.engines.contract import Engine
from macula_lab.errors import LabError
from macula_lab.probe.checks import Check
from macula_lab.selfcheck import prober
from macula_lab.selfcheck.cells import cells
from macula_lab.selfcheck.fast import check_routers
from macula_lab.selfcheck.sites import sites

GRID_NETWORK = os.environ.get("LAB_TEST_GRID_NETWORK", "10.97")
LAB = Path(sys.executable).with_name("macula-lab")
ENGINES = ["netns", "docker"]


@pytest.fixture(params=ENGINES)
def lab(request: pytest.FixtureRequest, labs: Labs) -> Engine:
    """The routers of compose/nat-pair.yaml, nothing behind them."""
    return labs.routers(request.param, "nat-pair", NAT_A="home", NAT_B="symmetric")


@pytest.fixture
def other_nat(lab: Engine) -> Iterator[str]:
    """nat_a has become another NAT than its environment says."""
    assert lab.execute("nat_a", ["macula-router", "apply", "--nat", "restricted,hairpin=on"]).code == 0
    yield "nat_a"
    assert lab.execute("nat_a", ["macula-router", "apply", "--nat", "home"]).code == 0


def test_each_router_is_told_in_a_line(lab: Engine) -> None:
    lines: list[str] = []

    verdicts = check_routers(lab, lines.append)

    assert [line.partition(" (")[0] for line in lines] == [
        "nat_a is home: eim, apdf, preserve, hairpin on",
        "nat_b is symmetric: apdm, apdf, random",
    ]
    assert all(verdict.evidence["sockets"] for verdict in verdicts)


def test_nothing_is_left_of_it(lab: Engine) -> None:
    before = lab.hosts()

    check_routers(lab)

    assert lab.hosts() == before
    for name in ("nat_a", "nat_b"):
        assert router(lab, name)["mappings"] == []
        assert router(lab, name)["drops"] == []
    assert lab.kept("outside-public") is None
    assert lab.kept("inside-nat_a-lan_a") is None


def test_a_router_that_is_another_nat_is_refused(lab: Engine, other_nat: str) -> None:
    lines: list[str] = []

    with pytest.raises(LabError) as refused:
        check_routers(lab, lines.append)

    assert refused.value.cause == (
        "nat_a is not home (services.nat_a.environment.NAT), seen from lan_a: filtering: expected apdf, seen adf"
    )
    assert f"macula-lab exec {other_nat} macula-router show" in refused.value.next_step
    assert [line.split()[0] for line in lines] == ["nat_a", "nat_b"]


def test_only_routers_that_are_asked_for_are_looked_at(lab: Engine, other_nat: str) -> None:
    assert [verdict.router for verdict in check_routers(lab, only=["nat_b"])] == ["nat_b"]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_link_does_not_disturb_and_is_there_again(engine: str, labs: Labs) -> None:
    lab = labs.routers(engine, "nat-pair", NAT_A="cgnat", LINK_A_OUT="delay=80,loss=20", LINK_A_IN="rate=64kbit")

    link = router(lab, "nat_a")["link"]
    assert link["running"]
    assert (link["out"], link["in"]) == ("delay=80,loss=20", "rate=64kbit")


def test_a_prober_in_front_of_a_slow_and_lossy_link_is_not_misled(labs: Labs) -> None:
    lab = labs.routers(
        "netns", "nat-pair", NAT_A="symmetric", LINK_A_OUT="delay=60,jitter=20,loss=3", LINK_A_IN="loss=3"
    )
    fronts, [place] = sites(lab.plan, lab.hosts(), ["nat_a"])
    checks = {Check.MAPPING, Check.FILTERING, Check.HAIRPIN, Check.INTRUSION, Check.UNSOLICITED}

    with prober.helpers(lab, fronts, [place]) as probers:
        verdict = prober.look(probers[place.name], place, parse("symmetric"), checks)

    assert verdict.mismatches == []


@pytest.mark.timeout(900)
def test_every_nat_of_the_grid_is_what_it_is_called() -> None:
    # In containers it is `make selfcheck` that does the same, and CI runs it.
    done = subprocess.run(
        [LAB, "selfcheck", "--engine", "netns", "--project", f"{PREFIX}-grid", "--json"],
        env={**os.environ, "LAB_NETWORK": GRID_NETWORK},
        capture_output=True,
        text=True,
    )
    assert done.stdout, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)

    assert [cell["called"] for cell in told["cells"] if not cell["ok"]] == []
    assert done.returncode == 0
    assert len(told["cells"]) == len(cells())
    assert {cell["called"] for cell in told["cells"] if cell["group"] == "preset"} == set(PRESETS)
    for cell in (one for one in told["cells"] if one["group"] == "lifetime"):
        idle = {story["story"]: story["idle"] for story in cell["evidence"]["idle"]}
        assert 0.7 * 10 <= idle["kept"] < 10 < idle["gone"], "the time that went by is in the evidence"
