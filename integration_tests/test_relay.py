"""Edges whose NATs let nobody in: one connection through a relay carries everything, and survives the relay."""

import json
import re
import time
from typing import Any

import pytest

from asking import REALM, WHOAMI, eventually
from labs import Labs, macula
from macula_lab.engines.contract import Engine

PAIRS = [("symmetric", "symmetric"), ("port_restricted", "symmetric")]


@pytest.fixture(params=PAIRS, ids=["x".join(pair) for pair in PAIRS])
def lab(request: pytest.FixtureRequest, labs: Labs) -> Engine:
    """compose/nat-pair.yaml with two NATs through which no hole can be punched."""
    nat_a, nat_b = request.param
    lab = labs.up("netns", "nat-pair", NAT_A=nat_a, NAT_B=nat_b)
    eventually("both edges have two relays", lambda: all(len(relays(lab, edge)) == 2 for edge in ("edge_a", "edge_b")))
    return lab


def relays(lab: Engine, edge: str) -> list[str]:
    """Through whom an edge says that it can be reached."""
    return sorted(relay["name"] for relay in macula(lab, edge, "status")["relays"])


def node_id(lab: Engine, name: str) -> str:
    return str(macula(lab, name, "status")["node_id"])


def connection(lab: Engine, edge: str, peer: str) -> Any:
    """What `macula peers` in an edge says of its peer."""
    return next((one for one in macula(lab, edge, "peers") if one["name"] == peer), None)


def relayed_bytes(lab: Engine) -> int:
    return sum(macula(lab, relay, "status")["relaying"]["bytes"] for relay in ("bootstrap", "gateway"))


@pytest.mark.parametrize(("caller", "provider"), [("edge_a", "edge_b"), ("edge_b", "edge_a")])
def test_a_call_goes_through_a_relay_and_not_by_envelope(lab: Engine, caller: str, provider: str) -> None:
    before = relayed_bytes(lab)

    answer = macula(lab, caller, "call", WHOAMI, "null", "--to", node_id(lab, provider))

    assert (answer["result"]["name"], answer["path"], answer["hops"]) == (provider, "relayed", [])
    peer = connection(lab, caller, provider)
    assert peer["path"] == "relayed" and peer["relay"]["name"] in ("bootstrap", "gateway")
    assert peer["bytes_sent"] and peer["bytes_received"]
    assert relayed_bytes(lab) > before


def test_a_person_sees_through_whom(lab: Engine) -> None:
    macula(lab, "edge_a", "call", WHOAMI, "null", "--to", node_id(lab, "edge_b"))
    relay = connection(lab, "edge_a", "edge_b")["relay"]["name"]

    shown = lab.execute("edge_a", ["macula", "peers"]).stdout

    # Where the terminal is too narrow for it the relay's name stands in the next line.
    assert re.search(rf"relayed via( {relay}|.*\n\s+{relay}\s*$)", shown, re.MULTILINE), shown


def test_an_event_goes_through_a_relay(lab: Engine) -> None:
    topic = f"{REALM}.parcels.parcel_relayed"
    received = lab.stream("edge_b", ["macula", "subscribe", topic, "--count", "3", "--timeout", "30", "--json"])
    assert json.loads(next(received)) == {"subscribed": topic}

    for number in range(3):
        report = macula(lab, "edge_a", "publish", topic, str(number), "--qos", "1")
        assert report["delivered"] == [node_id(lab, "edge_b")]

    assert [json.loads(next(received))["payload"] for _ in range(3)] == [0, 1, 2]
    assert connection(lab, "edge_a", "edge_b")["path"] == "relayed"


def test_a_connection_survives_the_death_of_its_relay(lab: Engine) -> None:
    provider = node_id(lab, "edge_b")
    macula(lab, "edge_a", "call", WHOAMI, "null", "--to", provider)
    # On a busy host it may be trying the other relay just now, and with a dead one there it would be dialed anew.
    eventually("edge_b answers edge_a", lambda: not connection(lab, "edge_a", "edge_b")["suspect"])
    before = connection(lab, "edge_a", "edge_b")
    dying = before["relay"]["name"]
    (other,) = {"bootstrap", "gateway"} - {dying}
    lab.kill(dying)
    died = time.monotonic()
    try:
        answer = macula(lab, "edge_a", "call", WHOAMI, "null", "--to", provider, "--timeout", "5")
        took = time.monotonic() - died

        after = connection(lab, "edge_a", "edge_b")
        assert after["relay"]["name"] == other
        assert after["since_s"] > before["since_s"], "it is the same connection"
        assert answer["path"] == "relayed"
        print(f"a call while its relay died took {took:.2f} s")
    finally:
        lab.restart(dying)

    def both_are_used() -> bool:
        return all(len(relays(lab, edge)) == 2 for edge in ("edge_a", "edge_b"))

    eventually("both relays are used again", both_are_used, seconds=90)
