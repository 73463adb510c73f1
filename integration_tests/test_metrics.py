"""What a person sees of two edges that meet: counters by class of NAT, the path, and a relay that has nothing to do."""

import random
from functools import partial
from itertools import pairwise
from string import ascii_letters, digits
from typing import Any

import pytest

from asking import REALM, eventually
from labs import Labs, macula
from macula_lab.engines.contract import Engine

ECHO = f"{REALM}.demo.echo"
CALLS = 30
PAYLOAD = 20_000
"""Bytes each way of a call: a few of these through a relay cannot be taken for keep-alives."""
KEEP_ALIVES = 10_000
"""Bytes that a relay may forward while these are answered; the calls themselves are a hundred times as many."""

_GET = (
    "import sys, urllib.request; r = urllib.request.urlopen('http://127.0.0.1:8080/metrics', timeout=5); "
    "sys.stderr.write(r.headers['Content-Type']); sys.stdout.write(r.read().decode())"
)

Labels = dict[str, str]


@pytest.fixture
def lab(labs: Labs) -> Engine:
    """compose/nat-pair.yaml with two NATs through which holes can be punched."""
    lab = labs.up("netns", "nat-pair", NAT_A="port_restricted", NAT_B="restricted")
    call(lab, "edge_a", "edge_b", "null")
    for edge, other in (("edge_a", "edge_b"), ("edge_b", "edge_a")):
        eventually(f"{edge} reaches {other} directly", partial(is_direct, lab, edge, other))
    return lab


def call(lab: Engine, caller: str, provider: str, args: str, *options: str) -> Any:
    target = macula(lab, provider, "status")["node_id"]
    return macula(lab, caller, "call", ECHO, args, "--to", target, *options)


def peer(lab: Engine, edge: str, name: str) -> Any:
    """What `macula peers` in an edge says of a peer."""
    return next((one for one in macula(lab, edge, "peers") if one["name"] == name), {"path": ""})


def is_direct(lab: Engine, edge: str, name: str) -> bool:
    return bool(peer(lab, edge, name)["path"] == "direct")


def values(lab: Engine, node: str, name: str) -> list[tuple[Labels, float]]:
    """A metric as `macula metrics` tells it."""
    return [(one["labels"], one["value"]) for one in macula(lab, node, "metrics") if one["name"] == name]


def dict_of(changes: list[tuple[Labels, float]]) -> dict[tuple[str, str], float]:
    return {(labels["before"], labels["path"]): count for labels, count in changes}


def value(lab: Engine, node: str, name: str) -> float:
    ((labels, only),) = values(lab, node, name)
    assert labels == {}
    return only


def relayed_bytes(lab: Engine) -> float:
    return sum(value(lab, relay, "macula_relay_bytes_total") for relay in ("bootstrap", "gateway"))


@pytest.mark.parametrize(
    ("edge", "mine", "theirs"),
    [("edge_a", "port_restricted", "restricted"), ("edge_b", "restricted", "port_restricted")],
)
def test_a_punch_is_counted_for_its_pair_of_nats(lab: Engine, edge: str, mine: str, theirs: str) -> None:
    def punches() -> list[tuple[Labels, float]]:
        return values(lab, edge, "macula_punches_total")

    # An attempt ends when all of its answers are in, which is after the path is used.
    eventually("an attempt is over", punches)
    ((kind, succeeded),) = punches()
    # A NAT with one port for all is punched before its peer knows what else it is.
    assert kind in ({"outcome": "succeeded", "mine": mine, "theirs": one} for one in (theirs, "unknown"))
    ((nat, known),) = values(lab, edge, "macula_nat_info")
    assert (nat["type"], known) == (mine, 1.0)
    # On a busy host a peer may be doubted for a moment, and is direct again.
    assert dict_of(values(lab, edge, "macula_path_changes_total"))["relayed", "direct"] >= 1
    assert value(lab, edge, "macula_time_to_direct_seconds_count") >= 1
    print(f"{edge}: direct after {value(lab, edge, 'macula_time_to_direct_seconds_sum') * 1000:.0f} ms")
    reaching = macula(lab, edge, "status")["reaching"]
    assert reaching["punches"] == {"succeeded": succeeded, "failed": 0}
    assert reaching["time_to_direct_ms"] > 0
    direct = {"path": "direct", "carrier": "udp"}
    # The other edge, bootstrap and gateway.
    assert (direct, 3.0) in values(lab, edge, "macula_peers")


def test_relay_traffic_after_the_upgrade_falls_to_keep_alives(lab: Engine) -> None:
    before, connection = relayed_bytes(lab), peer(lab, "edge_a", "edge_b")
    assert before > 0, "they met through a relay"

    assert macula(lab, "edge_a", "status")["relays"], "they stay at hand"
    arguments = ("--count", str(CALLS), "--interval", "0")
    # Random digits: what repeats itself is compressed.
    text = "".join(random.Random(1).choices(ascii_letters + digits, k=PAYLOAD))
    asked = lab.execute("edge_a", ["macula", "call", ECHO, f'"{text}"', "--to", connection["node_id"], *arguments])

    assert asked.code == 0, asked.stderr
    assert f"{CALLS} asked, 0 failed" in asked.stdout
    moved = peer(lab, "edge_a", "edge_b")["bytes_sent"] - connection["bytes_sent"]
    assert moved > CALLS * PAYLOAD / 2
    forwarded = relayed_bytes(lab) - before
    print(f"{CALLS} calls moved {moved} bytes directly and {forwarded:.0f} through relays")
    assert forwarded < KEEP_ALIVES


def test_prometheus_gets_the_same_by_http(lab: Engine) -> None:
    asked = lab.execute("edge_a", ["python3", "-c", _GET])
    assert asked.code == 0, asked.stderr
    assert asked.stderr.startswith("text/plain; version=0.0.4")
    told = asked.stdout.splitlines()
    assert 'macula_calls_total{code="ok",provider="remote"}' in {line.rpartition(" ")[0] for line in told}
    types = [line.split()[2] for line in told if line.startswith("# TYPE")]
    assert all(one != other for one, other in pairwise(sorted(types))), "each metric is told once"


def test_a_person_sees_the_main_ones(lab: Engine) -> None:
    shown = lab.execute("edge_a", ["macula", "status"]).stdout
    assert "hole punching" in shown and "1 succeeded" in shown
    assert "time to direct" in shown
