"""The steps of `up`, what is proven again, and what is removed when it is interrupted."""

import io
import signal
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from fake_lab import FakeEngine, nat_pair, router
from macula_lab import bringup
from macula_lab.bringup import bring_up, require_settings, to_prove
from macula_lab.composefile.plan import Plan
from macula_lab.engines.contract import Engine, Host
from macula_lab.errors import LabError
from macula_lab.report import Reporter

RUNS = Host("x", "running", True)
CREATED = Host("x", "created", False)
KILLED = Host("x", "exited (137)", False)


class Lab(FakeEngine):
    """One of which nothing is up, with routers and other programs but no nodes of ours."""

    def __post_init__(self) -> None:
        services = {name: service for name, service in nat_pair().services.items() if not service.is_node}
        self.plan = Plan(self.plan.file, services, self.plan.networks)
        self.steps: list[str] = []
        self.interrupt = ""
        self.fail_to_start = False
        self.written: dict[str, str] = {}

    def start(self, services: Sequence[str] = (), show: Callable[[str], None] = print) -> None:
        names = list(services) or list(self.plan.services)
        self.steps.append(f"start {' '.join(services) or 'all'}")
        if self.fail_to_start:
            raise LabError("a subnet overlaps")
        self.states |= {name: replace(KILLED if name in self.written else RUNS, service=name) for name in names}
        if self.interrupt == self.steps[-1]:
            raise KeyboardInterrupt

    def logs(self, service: str, tail: int | None = None) -> str:
        return self.written.get(service, "macula-router: up")

    def down(self, show: Callable[[str], None] = print) -> None:
        self.steps.append("down")
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN or not self.interrupt
        self.states.clear()


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab whose routers all are what they are called."""
    made = Lab()
    monkeypatch.setattr("macula_lab.workspace.STATE", tmp_path)

    def check_routers(engine: Engine, show: Callable[[str], None], only: Collection[str]) -> None:
        made.steps.append(f"check {' '.join(only)}")

    monkeypatch.setattr(bringup, "check_routers", check_routers)
    return made


@pytest.fixture
def report() -> Reporter:
    return Reporter(Console(file=io.StringIO()))


def test_routers_come_first_and_are_proven_before_anything_else_starts(lab: Lab, report: Reporter) -> None:
    up = bring_up(lab, report)

    assert lab.steps == ["start internet nat_a nat_b", "check nat_a nat_b", "start all"]
    assert up.proof is None
    assert up.mesh.engine is lab


def test_up_twice_disturbs_no_router_that_is_used(lab: Lab, report: Reporter) -> None:
    bring_up(lab, report)
    lab.steps.clear()

    bring_up(lab, report)

    assert lab.steps == ["start internet nat_a nat_b", "start all"]


@pytest.mark.parametrize(
    ("before", "proven"),
    [
        ({}, ["nat_a", "nat_b"]),
        ({"nat_a": RUNS, "nat_b": RUNS}, ["nat_a", "nat_b"]),
        ({"nat_a": RUNS, "nat_b": RUNS, "server": CREATED}, ["nat_a", "nat_b"]),
        ({"nat_a": RUNS, "nat_b": RUNS, "server": RUNS}, []),
        ({"nat_a": RUNS, "nat_b": RUNS, "server": KILLED}, []),
        ({"nat_a": RUNS, "nat_b": KILLED, "server": RUNS}, ["nat_b"]),
        ({"nat_a": RUNS, "server": RUNS}, ["nat_b"]),
    ],
)
def test_which_routers_are_proven(before: dict[str, Host], proven: list[str]) -> None:
    assert to_prove(nat_pair(), before) == proven


def test_a_router_that_does_not_come_up_tells_why(lab: Lab, report: Reporter) -> None:
    lab.written["nat_b"] = "macula-router: NET_ADMIN: it is missing; add cap_add: [NET_ADMIN]"

    with pytest.raises(LabError, match=r"the router nat_b does not come up, it is exited \(137\)") as caught:
        bring_up(lab, report)

    assert "add cap_add: [NET_ADMIN]" in caught.value.evidence
    assert lab.steps == ["start internet nat_a nat_b"]


def test_who_uses_the_routers_image_for_something_else_is_not_waited_for(lab: Lab, report: Reporter) -> None:
    lab.written["internet"] = ""
    other = replace(lab.plan.services["internet"], command=["sleep", "infinity"])
    lab.plan = Plan(lab.plan.file, {**lab.plan.services, "internet": other}, lab.plan.networks)

    bring_up(lab, report)


def test_an_interrupted_up_leaves_nothing(lab: Lab, report: Reporter) -> None:
    lab.interrupt = "start all"

    with pytest.raises(KeyboardInterrupt):
        bring_up(lab, report)

    assert lab.steps[-1] == "down"
    assert signal.getsignal(signal.SIGINT) is not signal.SIG_IGN


def test_an_interrupted_up_leaves_a_lab_that_was_up_before(lab: Lab, report: Reporter) -> None:
    bring_up(lab, report)
    lab.interrupt = "start all"

    with pytest.raises(KeyboardInterrupt):
        bring_up(lab, report)

    assert "down" not in lab.steps
    assert lab.states


def test_what_was_made_of_a_lab_without_a_host_is_removed(lab: Lab, report: Reporter) -> None:
    lab.fail_to_start = True

    with pytest.raises(LabError, match="a subnet overlaps"):
        bring_up(lab, report)

    assert lab.steps == ["start internet nat_a nat_b", "down"]


def test_a_lab_with_a_router_that_is_refused_stays_for_being_looked_at(
    lab: Lab, report: Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check_routers(engine: Engine, show: Callable[[str], None], only: Collection[str]) -> None:
        raise LabError("nat_a: mapping: expected eim, seen apdm", "mend its rules")

    monkeypatch.setattr(bringup, "check_routers", check_routers)

    with pytest.raises(LabError, match="expected eim, seen apdm") as caught:
        bring_up(lab, report)

    assert lab.steps == ["start internet nat_a nat_b"]
    assert "mend its rules" in caught.value.next_step
    assert "macula-lab ps --project macula-nat-pair; then macula-lab down" in caught.value.next_step


@pytest.mark.parametrize(
    ("variable", "value", "key"),
    [
        ("NAT", "cone", r"services\.nat_a\.environment: NAT: .*'cone'"),
        ("NAT", "none,hairpin=on", r"services\.nat_a\.environment: NAT: translates"),
        ("LINK_OUT", "delay=-1", r"services\.nat_a\.environment: delay"),
        ("WAN", "nowhere", r"services\.nat_a\.environment: WAN"),
    ],
)
def test_what_no_router_can_be_is_refused_before_anything_is_made(
    lab: Lab, report: Reporter, variable: str, value: str, key: str
) -> None:
    environment = {"WAN": "172.24.0.0/24", "NAT": "home", variable: value}
    wrong = router("nat_a", {"public": "172.24.0.21", "lan_a": "172.24.1.3"}, **environment)
    lab.plan = Plan(lab.plan.file, {**lab.plan.services, "nat_a": wrong}, lab.plan.networks)

    with pytest.raises(LabError, match=key):
        bring_up(lab, report)
    with pytest.raises(LabError):
        require_settings(lab.plan)
    assert lab.steps == []
