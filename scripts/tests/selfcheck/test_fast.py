"""The check at every start, on a lab in memory whose probers tell what the test wants."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any

import pytest
from macula.nat.profile import parse

import ideal
from fake_lab import FakeEngine, FakeHelper, FakeRouter
from macula_lab.composefile.plan import Plan
from macula_lab.engines.contract import Finished
from macula_lab.errors import LabError
from macula_lab.probe.checks import Check
from macula_lab.probe.classify import Classification
from macula_lab.probe.expectation import CHECKS, compare
from macula_lab.probe.judgement import judge
from macula_lab.selfcheck.fast import check_routers


class Prober(FakeHelper):
    """Sees the NAT that it is told to be behind."""

    def __init__(self, name: str, lab: "Lab") -> None:
        self.name, self.lab, self.removed = name, lab, False

    def execute(self, argv: Sequence[str], *, timeout: float = 30.0) -> Finished:
        router = self.name.split("-")[1]
        words = list(argv)
        self.lab.told.append(f"{router} looked at with {words[words.index('--checks') + 1].count(',') + 1} checks")
        behind = self.lab.behind[router]
        if len(behind) > 1:
            behind = [behind.pop(0)]
        if not behind[0]:
            return Finished(1, "", "macula-probe: it broke")
        checks = frozenset(map(Check, words[words.index("--checks") + 1].split(",")))
        claimed = parse(words[words.index("--nat") + 1])
        seen = ideal.observations(parse(behind[0]))
        observed = {part: word for part, word in judge(seen).items() if CHECKS[part] in checks}
        found = Classification(observed, compare(claimed, observed, checks), seen)
        return Finished(bool(found.mismatches), json.dumps(found.plain()), "")

    def spawn(self, argv: Sequence[str]) -> None:
        self.lab.told.append(f"{self.name} spawns {argv[1]}")

    def remove(self) -> None:
        self.removed = True


class Router(FakeRouter):
    """Notes what it is told."""

    def __init__(self, name: str, lab: "Lab") -> None:
        self.name, self.lab = name, lab

    def command(self, argv: Sequence[str]) -> Finished:
        self.lab.told.append(f"{self.name}: {' '.join(argv)}")
        return Finished(0, "", "")


@dataclass
class Lab(FakeEngine):
    """A lab of which the test says what each router really is; a list: one after the other."""

    behind: dict[str, list[str]] = field(default_factory=lambda: {"nat_a": ["port_restricted"], "nat_b": ["symmetric"]})
    told: list[str] = field(default_factory=list)
    made: list[Prober] = field(default_factory=list)
    written: str = "macula-router: up\n"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.routers = {name: Router(name, self) for name in self.routers}

    def helper(self, name: str, networks: Mapping[str, IPv4Address], *, gateway: bool = True) -> FakeHelper:
        self.made.append(Prober(name, self))
        return self.made[-1]

    def logs(self, service: str, tail: int | None = None) -> str:
        return self.written


@pytest.fixture
def lab() -> Iterator[Lab]:
    made = Lab()
    yield made
    assert all(one.removed for one in made.made)


def check(lab: Lab, **arguments: Any) -> list[str]:
    """The lines that are shown."""
    lines: list[str] = []
    check_routers(lab, lines.append, **arguments)
    return lines


def test_every_nat_is_told_in_a_line_and_rebooted(lab: Lab) -> None:
    lines = check(lab)

    assert [line.split("(")[0].strip() for line in lines] == [
        "nat_a is port_restricted: eim, apdf, preserve",
        "nat_b is symmetric: apdm, apdf, random",
    ]
    assert {"nat_a: reboot", "nat_b: reboot", "outside-public spawns serve"} <= set(lab.told)
    assert [one.name for one in lab.made] == ["outside-public", "inside-nat_a-lan_a", "inside-nat_b-lan_b"]


def test_a_router_that_is_another_nat_is_refused_with_all_that_is_wrong(lab: Lab) -> None:
    lab.behind["nat_b"] = ["port_restricted"]

    with pytest.raises(LabError) as refused:
        check(lab)

    cause = refused.value.cause
    assert cause.startswith("nat_b is not symmetric (services.nat_b.environment.NAT), seen from lan_b: ")
    assert "mapping: expected apdm, seen eim" in cause
    assert "ports: expected random, seen preserve" in cause
    assert "macula-lab exec nat_b macula-router show" in refused.value.next_step
    assert lab.told.count("nat_b looked at with 12 checks") == 2


def test_what_is_wrong_only_once_is_not_believed(lab: Lab) -> None:
    lab.behind["nat_b"] = ["port_restricted", "symmetric"]

    assert len(check(lab)) == 2
    assert lab.told.count("nat_b: reboot") == 2


def test_a_link_is_left_out_meanwhile(lab: Lab) -> None:
    nat_a = lab.plan.services["nat_a"]
    lab.plan = with_environment(
        lab.plan, "nat_a", {**nat_a.environment, "LINK_OUT": "delay=25,loss=1", "LINK_SEED": "7"}
    )

    check(lab)

    assert [line for line in lab.told if line.startswith("nat_a: ")] == [
        "nat_a: link clear",
        "nat_a: reboot",
        "nat_a: link set --out delay=25,loss=1 --in  --seed 7",
    ]


def test_a_link_is_put_back_when_the_prober_fails(lab: Lab) -> None:
    lab.plan = with_environment(lab.plan, "nat_a", {**lab.plan.services["nat_a"].environment, "LINK_IN": "rate=1mbit"})
    lab.behind["nat_a"] = [""]

    with pytest.raises(LabError, match="nat_a could not be checked from lan_a: macula-probe: it broke"):
        check(lab)

    assert lab.told[-1].startswith(("nat_a: link set", "nat_b"))
    assert "nat_a: reboot" in lab.told


def test_a_nat_with_few_ports_gets_its_checks_one_by_one(lab: Lab) -> None:
    few = "mapping=eim,ports=block,block=50000-50014"
    lab.plan = with_environment(lab.plan, "nat_a", {**lab.plan.services["nat_a"].environment, "NAT": few})
    lab.behind["nat_a"] = [few]

    (line,) = check(lab, only=["nat_a"])

    assert line.startswith(f"nat_a is {few}: eim, apdf, block")
    assert lab.told.count("nat_a looked at with 1 checks") == lab.told.count("nat_a: reboot") == 12


def test_a_nat_with_hardly_any_flows_loses_checks_and_says_so(lab: Lab) -> None:
    lab.plan = with_environment(lab.plan, "nat_a", {**lab.plan.services["nat_a"].environment, "NAT": "sessions=4"})
    lab.behind["nat_a"] = ["sessions=4"]

    (line,) = check(lab, only=["nat_a"])

    assert line.endswith("without checksum, early, hairpin, intrusion, mapping, neighbours, tcp)")


def test_a_router_that_does_not_come_up_is_told(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("macula_lab.selfcheck.fast.START_PATIENCE", 0.0)
    lab.written = "macula-router: WAN: no interface has an address in 10.0.0.0/24"

    with pytest.raises(LabError, match="nat_a did not come up") as told:
        check(lab)
    assert told.value.evidence == lab.written


def test_no_router_with_a_wan_is_nothing_to_do(lab: Lab) -> None:
    assert check(lab, only=["internet"]) == []
    assert lab.made == []


def with_environment(plan: Plan, name: str, environment: Mapping[str, str]) -> Plan:
    service = plan.services[name]
    changed = type(service)(service.name, service.image, service.networks, environment)
    return Plan(plan.file, {**plan.services, name: changed}, plan.networks)
