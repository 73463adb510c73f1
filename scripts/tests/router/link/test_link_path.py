"""What ip and tc say when something is missing, and what a router is told then."""

import pytest

from macula_lab.errors import LabError
from macula_lab.router.link.path import Direction, refusal

PREFIX = "We have an error talking to the kernel\n"


@pytest.mark.parametrize(
    ("said", "cause", "next_step"),
    [
        ("RTNETLINK answers: Operation not permitted\n", "NET_ADMIN", "cap_add: [NET_ADMIN]"),
        ("Error: Specified qdisc kind is unknown.\n", "sch_ingress (CONFIG_NET_SCH_INGRESS)", "modprobe sch_ingress"),
        (f"Error: TC classifier not found.\n{PREFIX}", "cls_u32 (CONFIG_NET_CLS_U32)", "modprobe cls_u32"),
        (
            f"Error: Failed to load TC action module.\n{PREFIX}",
            "act_mirred (CONFIG_NET_ACT_MIRRED)",
            "modprobe act_mirred",
        ),
    ],
)
def test_what_is_missing_is_named(said: str, cause: str, next_step: str) -> None:
    named = refusal(LabError("tc filter add: it failed", evidence=said))
    assert cause in named.cause
    assert next_step in named.next_step


def test_what_is_not_known_is_told_as_it_is() -> None:
    error = LabError("tc qdisc add: it failed", evidence='Cannot find device "eth7"\n')
    assert refusal(error) is error


def test_directions_by_their_words() -> None:
    assert [(str(way), way.device, way.hook) for way in Direction] == [
        ("out", "shape-out", "egress"),
        ("in", "shape-in", "ingress"),
    ]
