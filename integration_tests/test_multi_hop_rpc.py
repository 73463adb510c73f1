"""Macula 0.17's RPC suite, case by case, against five containers; each case can fail."""

import asyncio
import secrets
import time
from typing import Any

import pytest

import macula.errors
from asking import DEADLINE, REALM, WHOAMI, by_distance, call, ids, joined, lookup, record_key
from health import check_discovery, check_healthy
from macula.identity import Identity, NodeId
from macula_lab.mesh.mesh import CommandRefused, Mesh

SLEEP = f"{REALM}.demo.sleep"
ECHO = f"{REALM}.demo.echo"


def test_bootstrap_node_healthy(mesh: Mesh) -> None:
    check_healthy(mesh, "bootstrap", "bootstrap")


def test_gateway_node_healthy(mesh: Mesh) -> None:
    check_healthy(mesh, "gateway", "gateway")


@pytest.mark.parametrize("edge", ["edge1", "edge2", "edge3"])
def test_edge_nodes_healthy(mesh: Mesh, edge: str) -> None:
    check_healthy(mesh, edge, "edge")


def test_dht_peer_discovery(mesh: Mesh) -> None:
    check_discovery(mesh)


def test_service_registration_in_dht(mesh: Mesh) -> None:
    node_ids = ids(mesh)
    key = record_key(REALM, "rpc", ECHO)

    found = lookup(mesh, "gateway", ECHO, "rpc")

    assert found["key"] == key.hex()
    assert {entry["node_id"] for entry in found["found"]} == {node_ids[f"edge{n}"] for n in (1, 2, 3)}
    closest = by_distance(list(node_ids.values()), key)
    assert found["closest"] == [node for node in closest if node in found["closest"]]
    # Fewer nodes than k: each of the others must hold the record.
    assert set(found["holders"]) >= set(closest) - {node_ids["gateway"]}


@pytest.mark.parametrize("asker", ["bootstrap", "edge1"])
def test_service_discovery_via_dht(mesh: Mesh, asker: str) -> None:
    found = lookup(mesh, asker, WHOAMI, "rpc")["found"]

    assert {entry["name"]: entry["address"] for entry in found} == {
        edge: f"{mesh.address(edge)}:9443" for edge in ("edge1", "edge2", "edge3")
    }
    # A record may outlive its node: what was found must also answer.
    for entry in found:
        assert call(mesh, asker, WHOAMI, "null", "--to", entry["node_id"])["result"]["name"] == entry["name"]


def test_single_hop_rpc_call(mesh: Mesh) -> None:
    node_ids = ids(mesh)

    answer = call(mesh, "edge1", WHOAMI, "null", "--to", node_ids["edge2"])

    assert answer["result"] == {"node_id": node_ids["edge2"], "name": "edge2", "caller": node_ids["edge1"]}
    assert (answer["provider"], answer["path"], answer["hops"]) == (node_ids["edge2"], "direct", [])
    peer = next(peer for peer in mesh.status("edge1").peers if peer.name == "edge2")
    assert (peer.path, peer.hops) == ("direct", 0)


@pytest.mark.parametrize(("caller", "provider", "routers"), [("edge_a", "edge_b", 1), ("edge_a", "edge_c", 2)])
def test_multi_hop_rpc_call(multi_hop: Mesh, caller: str, provider: str, routers: int) -> None:
    node_ids = ids(multi_hop)

    answer = call(multi_hop, caller, WHOAMI, "null", "--to", node_ids[provider])

    assert answer["result"] == {"node_id": node_ids[provider], "name": provider, "caller": node_ids[caller]}
    peer = next(peer for peer in multi_hop.status(caller).peers if peer.name == provider)
    assert (peer.path, peer.hops) == ("direct", routers)


def test_rpc_timeout_handling(mesh: Mesh) -> None:
    target = ids(mesh)["edge2"]
    # It answers in time if it can: what follows is about the handler, not about a provider that is not reached.
    assert call(mesh, "edge1", SLEEP, '{"seconds": 0}', "--to", target)["result"] == {"slept": 0}
    started = time.monotonic()

    with pytest.raises(CommandRefused) as refused:
        call(mesh, "edge1", SLEEP, '{"seconds": 30}', "--to", target, "--timeout", "1.5")

    assert (refused.value.exit_code, refused.value.code) == (1, "timeout")
    assert 1.5 <= time.monotonic() - started < DEADLINE


def test_rpc_provider_not_found(mesh: Mesh) -> None:
    with pytest.raises(CommandRefused) as nobody:
        call(mesh, "edge1", f"{REALM}.nobody.offers_this")
    with pytest.raises(CommandRefused) as not_there:
        # The gateway runs no demo service: asked by name, it must say so itself.
        call(mesh, "edge1", ECHO, "null", "--to", ids(mesh)["gateway"])

    assert (nobody.value.exit_code, nobody.value.code) == (1, "not_found")
    assert (not_there.value.exit_code, not_there.value.code) == (1, "not_found")


async def test_rpc_max_hops_exceeded(mesh: Mesh) -> None:
    bootstrap, edge = ids(mesh)["bootstrap"], ids(mesh)["edge1"]
    async with joined(mesh, "max-hops") as node:

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
        assert f"route.dropped peer={bootstrap[:10]}" in mesh.logs("edge1")
        refusal = await send(10)

        assert (type(refusal).__name__, refusal.code) == ("RouteError", "max_hops_exceeded")


async def until_relayed(node: macula.Mesh) -> None:
    """A node that cannot be dialed has a relay through which it is reached."""
    async with asyncio.timeout(DEADLINE):
        while not (await node.status())["relays"]:
            await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0.05)


async def test_a_call_to_a_node_that_cannot_be_dialed_is_relayed(mesh: Mesh) -> None:
    node_ids = ids(mesh)
    procedure = f"{REALM}.hidden.ask"
    apart = {"reachable": "no", "path_policy": "relay-only"}
    async with joined(mesh, "hidden", **apart) as hidden, joined(mesh, "caller", **apart) as caller:
        await until_relayed(hidden)
        await hidden.advertise(procedure, lambda args, context: [args, str(context.caller)])

        report = await caller.report_call(procedure, "hello", timeout=10)

        assert report.value == ["hello", str(caller.node_id)]
        assert (report.provider, report.path, report.hops) == (hidden.node_id, "relayed", ())
        (path,) = [peer for peer in await caller.peers() if peer["node_id"] == str(hidden.node_id)]
        assert path["relay"]["node_id"] in {node_ids["bootstrap"], node_ids["gateway"]}, "edges relay for nobody"


def test_calls_are_spread_over_the_providers(mesh: Mesh) -> None:
    providers = {call(mesh, "gateway", WHOAMI)["result"]["name"] for _ in range(9)}

    assert providers == {"edge1", "edge2", "edge3"}


def test_an_error_of_the_handler_reaches_the_caller(mesh: Mesh) -> None:
    with pytest.raises(CommandRefused) as refused:
        call(mesh, "edge1", f"{REALM}.demo.fail", '{"reason": "out of paper"}', "--to", ids(mesh)["edge3"])

    assert (refused.value.exit_code, refused.value.code) == (1, "remote")
    assert "out of paper" in refused.value.message
