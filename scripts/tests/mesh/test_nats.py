"""Which NATs the routers of a lab are."""

from collections.abc import Sequence
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from macula.nat.profile import PRESETS

from fake_lab import FakeEngine, nat_pair, network, router
from macula_lab.composefile.plan import Plan, Service
from macula_lab.engines.contract import Finished
from macula_lab.errors import LabError
from macula_lab.mesh.nats import behind, profiles, told


class Silent(FakeEngine):
    """Routers that do not answer."""

    def execute(self, service: str, argv: Sequence[str], *, timeout: float = 60.0) -> Finished:
        return Finished(1, "", "no")


class Changed(FakeEngine):
    """Routers that have become another NAT since they were started."""

    def execute(self, service: str, argv: Sequence[str], *, timeout: float = 60.0) -> Finished:
        return Finished(0, '{"preset": null, "profile": "mapping=eim,filtering=eif,ports=random"}', "")


def test_a_router_that_does_not_answer_is_what_the_file_says() -> None:
    lab = Silent()

    assert profiles(lab) == {
        "internet": PRESETS["none"].profile,
        "nat_a": PRESETS["port_restricted"].profile,
        "nat_b": PRESETS["symmetric"].profile,
    }


def test_a_router_is_what_it_has_become() -> None:
    lab = Changed()

    assert str(profiles(lab)["nat_a"]) == "mapping=eim,filtering=eif,ports=random"
    assert told(lab, lab.plan.services["nat_a"], lab.states["nat_a"]) == "mapping=eim,filtering=eif,ports=random"


def test_a_nat_that_does_not_exist_is_named() -> None:
    plan = nat_pair()
    wrong = router("nat_a", {"public": "172.24.0.21", "lan_a": "172.24.1.3"}, WAN="172.24.0.0/24", NAT="cone")

    with pytest.raises(LabError, match=r"services\.nat_a\.environment\.NAT: nat: there is no NAT 'cone'"):
        profiles(Silent(Plan(plan.file, {**plan.services, "nat_a": wrong}, plan.networks)))


def test_a_nat_behind_a_nat_is_told() -> None:
    public, carrier, home = "172.24.0.0/24", "172.24.1.0/24", "172.24.2.0/24"
    services = [
        router("cgn", {"public": "172.24.0.9", "carrier": "172.24.1.3"}, WAN=public),
        router("box", {"carrier": "172.24.1.9", "home": "172.24.2.3"}, WAN=carrier),
        Service("pc", "macula-node", {"home": IPv4Address("172.24.2.31")}),
    ]
    networks = [network("public", public), network("carrier", carrier), network("home", home)]
    plan = Plan(Path("x.yaml"), {one.name: one for one in services}, {one.name: one for one in networks})

    assert {name: behind(plan, service) for name, service in plan.services.items()} == {
        "cgn": [],
        "box": ["cgn"],
        "pc": ["box"],
    }
