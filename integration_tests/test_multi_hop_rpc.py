"""Macula 0.17's RPC suite, case by case, against five containers and behind NATs; each case can fail."""

import asyncio
import re
import secrets
import time
from typing import Any

import pytest

import macula.errors
from asking import DEADLINE, REALM, WHOAMI, by_distance, call, ids, lookup, record_key
from health import check_discovery, check_healthy
from macula.identity import Identity, NodeId
from macula_lab.mesh.mesh import CommandRefused
from suites import SuiteMesh

SLEEP = f"{REALM}.demo.sleep"
ECHO = f"{REALM}.demo.echo"


def test_bootstrap_node_healthy(suite: SuiteMesh) -> None:
    check_healthy(suite, "bootstrap", "bootstrap")


def test_gateway_node_healthy(suite: SuiteMesh) -> None:
    check_healthy(suite, "gateway", "gateway")


@pytest.mark.parametrize("edge", [0, 1, 2])
def test_edge_nodes_healthy(suite: SuiteMesh, edge: int) -> None:
    check_healthy(suite, suite.edges[edge], "edge")


def test_dht_peer_discovery(suite: SuiteMesh) -> None:
    check_discovery(suite)


def test_service_registration_in_dht(suite: SuiteMesh) -> None:
    node_ids = ids(suite)
    key = record_key(REALM, "rpc", ECHO)

    found = lookup(suite, "gateway", ECHO, "rpc")

    assert found["key"] == key.hex()
    assert {entry["node_id"] for entry in found["found"]} == {node_ids[name] for name in suite.providers}
    closest = by_distance([node_ids[name] for name in suite.servers], key)
    assert found["closest"] == [node for node in closest if node in found["closest"]]
    # Fewer nodes than k: each of the others that keep records must hold it.
    assert set(found["holders"]) >= set(closest) - {node_ids["gateway"]}


@pytest.mark.parametrize("an_edge", [False, True])
def test_service_discovery_via_dht(suite: SuiteMesh, an_edge: bool) -> None:
    asker = suite.edges[0] if an_edge else "bootstrap"
    found = lookup(suite, asker, WHOAMI, "rpc")["found"]

    assert {entry["name"]: entry["address"] for entry in found} == {
        name: f"{suite.address(name)}:9443" for name in suite.providers
    }
    # A record may outlive its node: what was found must also answer.
    for entry in found:
        assert call(suite, asker, WHOAMI, "null", "--to", entry["node_id"])["result"]["name"] == entry["name"]


def test_single_hop_rpc_call(suite: SuiteMesh) -> None:
    check_call(suite, suite.edges[1])


@pytest.mark.parametrize("provider", [1, 2])
def test_multi_hop_rpc_call(far_suite: SuiteMesh, provider: int) -> None:
    check_call(far_suite, far_suite.edges[provider])


def check_call(suite: SuiteMesh, provider: str) -> None:
    """The first edge calls another: by the connection that the topology allows, and by no envelope."""
    node_ids = ids(suite)
    caller = suite.edges[0]

    answer = call(suite, caller, WHOAMI, "null", "--to", node_ids[provider])

    assert answer["result"] == {"node_id": node_ids[provider], "name": provider, "caller": node_ids[caller]}
    way = suite.ways[provider]
    assert (answer["provider"], answer["path"], answer["hops"]) == (node_ids[provider], way.path, [])
    assert suite.way(provider) == way


def test_rpc_timeout_handling(suite: SuiteMesh) -> None:
    caller, provider, _ = suite.edges
    target = ids(suite)[provider]
    # It answers in time if it can: what follows is about the handler, not about a provider that is not reached.
    assert call(suite, caller, SLEEP, '{"seconds": 0}', "--to", target)["result"] == {"slept": 0}
    started = time.monotonic()

    with pytest.raises(CommandRefused) as refused:
        call(suite, caller, SLEEP, '{"seconds": 30}', "--to", target, "--timeout", "1.5")

    assert (refused.value.exit_code, refused.value.code) == (1, "timeout")
    assert 1.5 <= time.monotonic() - started < DEADLINE


def test_rpc_provider_not_found(suite: SuiteMesh) -> None:
    with pytest.raises(CommandRefused) as nobody:
        call(suite, suite.edges[0], f"{REALM}.nobody.offers_this")
    with pytest.raises(CommandRefused) as not_there:
        # The gateway runs no demo service: asked by name, it must say so itself.
        call(suite, suite.edges[0], ECHO, "null", "--to", ids(suite)["gateway"])

    assert (nobody.value.exit_code, nobody.value.code) == (1, "not_found")
    assert (not_there.value.exit_code, not_there.value.code) == (1, "not_found")


async def test_rpc_max_hops_exceeded(suite: SuiteMesh) -> None:
    node_ids = ids(suite)
    bootstrap, edge = node_ids["bootstrap"], node_ids[suite.edges[0]]
    async with suite.joined("max-hops") as node:

        async def send(hop_count: int) -> Any:
            strangers = tuple(Identity.generate().node_id for _ in range(hop_count))
            envelope = {
                "realm": REALM,
                "envelope_id": secrets.token_bytes(16),
                "source_node_id": (*strangers, node.node_id)[0],
                "destination_node_id": NodeId.parse(edge),
                "hop_count": hop_count,
                "max_hops": 10,
                "visited": (*strangers, node.node_id),
                "payload": b"sealed",
            }
            return await node.connector.send_message_and_wait(bootstrap, "rpc_route", envelope, timeout=3)

        # The tenth hop is taken: the envelope goes on to the edge, which cannot open it and drops it.
        with pytest.raises(macula.errors.Timeout):
            await send(9)
        assert re.search(rf"route\.dropped .*peer={bootstrap[:10]}", suite.logs(suite.edges[0]))
        refusal = await send(10)

        assert (type(refusal).__name__, refusal.code) == ("RouteError", "max_hops_exceeded")


async def until_relayed(node: macula.Mesh) -> None:
    """A node that cannot be dialed has a relay through which it is reached."""
    async with asyncio.timeout(DEADLINE):
        while not (await node.status())["relays"]:
            await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0.05)


async def test_a_call_to_a_node_that_cannot_be_dialed_is_relayed(suite: SuiteMesh) -> None:
    node_ids = ids(suite)
    procedure = f"{REALM}.hidden.ask"
    apart = {"reachable": "no", "path_policy": "relay-only"}
    async with suite.joined("hidden", **apart) as hidden, suite.joined("caller", **apart) as caller:
        await until_relayed(hidden)
        await hidden.advertise(procedure, lambda args, context: [args, str(context.caller)])

        report = await caller.report_call(procedure, "hello", timeout=10)

        assert report.value == ["hello", str(caller.node_id)]
        assert (report.provider, report.path, report.hops) == (hidden.node_id, "relayed", ())
        (path,) = [peer for peer in await caller.peers() if peer["node_id"] == str(hidden.node_id)]
        assert path["relay"]["node_id"] in {node_ids["bootstrap"], node_ids["gateway"]}, "edges relay for nobody"


def test_calls_are_spread_over_the_providers(suite: SuiteMesh) -> None:
    providers = {call(suite, "gateway", WHOAMI)["result"]["name"] for _ in range(3 * len(suite.providers))}

    assert providers == suite.providers


def test_an_error_of_the_handler_reaches_the_caller(suite: SuiteMesh) -> None:
    provider = ids(suite)[suite.edges[1]]
    with pytest.raises(CommandRefused) as refused:
        call(suite, suite.edges[0], f"{REALM}.demo.fail", '{"reason": "out of paper"}', "--to", provider)

    assert (refused.value.exit_code, refused.value.code) == (1, "remote")
    assert "out of paper" in refused.value.message
