"""Nodes that stop, come back and are killed, as the rest of the mesh sees it."""

import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Literal

import pytest

from asking import (
    DEADLINE,
    REALM,
    WHOAMI,
    call,
    eventually,
    found_names,
    ids,
    joined,
    lookup,
    peer_names,
)
from macula_lab.mesh.mesh import Mesh

SLEEP = f"{REALM}.demo.sleep"
EDGES = {"edge1", "edge2", "edge3"}

GONE_WITHIN = 2.0
"""Seconds after the end of a node that stopped gracefully until nobody finds its records any more."""


@contextmanager
def away(mesh: Mesh, service: str, how: Literal["stop", "kill"]) -> Iterator[float]:
    """A node that is not there in the block, and that the mesh has again after it. Gives the time of its end."""
    engine = mesh.engine
    try:
        engine.stop(service, 10) if how == "stop" else engine.kill(service)
        yield time.monotonic()
    finally:
        engine.restart(service)
        mesh.wait_ready()


def state(mesh: Mesh, service: str) -> str:
    """What the engine says of a node."""
    return mesh.engine.hosts()[service].state


def answered_by(mesh: Mesh, caller: str, calls: int) -> set[str]:
    """Who answers that many calls that name no provider. Raises CommandRefused if one is not answered."""
    return {call(mesh, caller, WHOAMI)["result"]["name"] for _ in range(calls)}


async def test_a_stopping_edge_finishes_its_calls_and_takes_its_records_along(churn: Mesh) -> None:
    node_id = ids(churn)["edge2"]
    async with joined(churn, "caller") as caller:
        running = caller.call_async(SLEEP, {"seconds": 2}, timeout=DEADLINE, to=node_id)
        # It was sent on the same connection later, so that the sleeper runs once it is answered.
        assert (await caller.call_to(node_id, WHOAMI))["name"] == "edge2"

        # In a thread: the node of this process has to go on running.
        answer, _ = await asyncio.gather(running, asyncio.to_thread(check_departure, churn, "edge2", node_id))

        assert answer == {"slept": 2}


def check_departure(mesh: Mesh, service: str, node_id: str) -> None:
    """An edge that runs a call of 2 s is stopped: nothing of it is left GONE_WITHIN seconds after its end."""
    started = time.monotonic()
    with away(mesh, service, "stop") as ended:
        assert state(mesh, service) == "exited (0)"
        assert 1 < ended - started < 5, "it waits for the call, and for nothing else"
        eventually("no rpc record", lambda: found_names(mesh, "gateway", WHOAMI, "rpc") == EDGES - {service})
        eventually("no peer record", lambda: not lookup(mesh, "gateway", node_id, "peer")["found"])
        assert time.monotonic() - ended < GONE_WITHIN
        assert answered_by(mesh, "gateway", 6) == EDGES - {service}
        assert service not in peer_names(mesh, "gateway")


def test_an_edge_that_comes_back_is_the_same_node_with_its_records(churn: Mesh) -> None:
    node_id = ids(churn)["edge1"]
    with away(churn, "edge1", "stop"):
        pass

    assert churn.status("edge1").node_id == node_id
    eventually("its rpc record", lambda: "edge1" in found_names(churn, "edge3", WHOAMI, "rpc"))
    (record,) = eventually("its peer record", lambda: lookup(churn, "edge3", node_id, "peer")["found"])
    assert (record["name"], record["address"]) == ("edge1", f"{churn.address('edge1')}:9443")
    eventually("calls to it", lambda: "edge1" in answered_by(churn, "gateway", 3))


def test_a_mesh_without_its_bootstrap_works_and_finds_it_again(churn: Mesh) -> None:
    node_ids = ids(churn)
    written = {edge: len(churn.logs(edge)) for edge in EDGES}
    with away(churn, "bootstrap", "stop"):
        for caller, provider in (("edge1", "edge2"), ("edge2", "edge3"), ("edge3", "edge1")):
            answer = call(churn, caller, WHOAMI, "null", "--to", node_ids[provider])
            assert (answer["result"]["name"], answer["path"]) == (provider, "direct")
            assert "bootstrap" not in peer_names(churn, caller)
        assert found_names(churn, "edge1", WHOAMI, "rpc") == EDGES
        delays = [
            eventually(f"{edge} tries again", partial(retries, churn, edge, written[edge]))[0] for edge in sorted(EDGES)
        ]
        assert all(2.5 <= delay <= 7.5 for delay in delays), "reconnect_interval is 5 s, give or take a half"
        assert len(set(delays)) > 1, "nodes that lost it together do not come back together"

    others = set(node_ids) - {"bootstrap"}
    eventually("all have found it again", lambda: peer_names(churn, "bootstrap") >= others)
    assert churn.status("bootstrap").node_id == node_ids["bootstrap"]
    assert churn.status("bootstrap").dht.nodes == len(node_ids) - 1
    assert found_names(churn, "bootstrap", WHOAMI, "rpc") == EDGES


def test_calls_avoid_an_edge_that_was_killed(churn: Mesh) -> None:
    node_id = ids(churn)["edge3"]
    assert answered_by(churn, "gateway", 6) == EDGES
    with away(churn, "edge3", "kill"):
        assert state(churn, "edge3") == "exited (137)"
        # Its records are still there, and so is the connection until probes on it go unanswered.
        assert answered_by(churn, "gateway", 9) == {"edge1", "edge2"}

    # Its socket file and its key were left behind: neither keeps it from coming back as itself.
    assert churn.status("edge3").node_id == node_id
    eventually("calls to it", lambda: "edge3" in answered_by(churn, "gateway", 3))


def retries(mesh: Mesh, service: str, since: int) -> list[float]:
    """The delays before further attempts, in seconds, that a node wrote down when it could not reach its bootstrap.

    `since` is how many characters its log had before.
    """
    return [float(delay) for delay in re.findall(r"bootstrap\.failed .*next_in=([\d.]+)", mesh.logs(service)[since:])]


@pytest.mark.parametrize("edge", sorted(EDGES))
def test_nobody_complained_of_a_stranger(churn: Mesh, edge: str) -> None:
    """After all of the above: no node took another's return for an attack."""
    assert not re.findall(r" (?:error|.*bad_identity|.*Traceback)", churn.logs(edge))
