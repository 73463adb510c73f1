"""Programs behind a NAT that say how they may be connected: never through a relay, through relays only, or not punched
for one message. The edges' NATs allow direct paths, so that whatever is relayed is so by choice."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

import macula
from asking import DEADLINE, REALM, WHOAMI, ids
from labs import Labs
from macula.errors import Disconnected, PeerUnreachable
from macula.identity import NodeId
from suites import SuiteMesh, behind_nats

PATIENCE = 2.0
"""Seconds in which two that want to meet have met by far; who does not want to must not have by then."""


@pytest.fixture(scope="module")
def lab(labs: Labs) -> SuiteMesh:
    """compose/nat-many.yaml with two NATs through which holes can be punched."""
    return behind_nats(labs, "direct")


async def pause(seconds: float) -> None:
    await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=seconds)


async def until(ask: Callable[[], Awaitable[bool]]) -> None:
    """What is asked is true within DEADLINE seconds."""
    async with asyncio.timeout(DEADLINE):
        while not await ask():
            await pause(0.05)


async def path_to(node: macula.Mesh, peer: NodeId) -> str:
    """How a node is connected to a peer: direct, relayed or not at all."""
    return next((str(one["path"]) for one in await node.peers() if one["node_id"] == str(peer)), "none")


async def test_a_message_that_skips_punching_leaves_its_connection_relayed_until_there_is_a_call(
    lab: SuiteMesh,
) -> None:
    far = NodeId.parse(ids(lab)[lab.edges[1]])
    async with lab.joined("skipper", reachable="no") as node:
        await node.connector.send_message_nat_aware(far, "ping", {}, skip_hole_punch=True)
        await pause(PATIENCE)

        assert await path_to(node, far) == "relayed"
        assert (await node.why(str(far)))["stage"] == "not wanted"

        report = await node.report_call(WHOAMI, None, to=far)
        assert report.provider == far

        async def they_met() -> bool:
            return await path_to(node, far) == "direct"

        await until(they_met)


async def test_a_message_that_does_not_skip_punching_makes_a_direct_connection(lab: SuiteMesh) -> None:
    far = NodeId.parse(ids(lab)[lab.edges[1]])
    async with lab.joined("puncher", reachable="no") as node:
        await node.connector.send_message_nat_aware(far, "ping", {})

        async def they_met() -> bool:
            return await path_to(node, far) == "direct"

        await until(they_met)


async def test_who_is_connected_by_relays_only_stays_so_and_tells_no_address(lab: SuiteMesh) -> None:
    far = NodeId.parse(ids(lab)[lab.edges[1]])
    async with lab.joined("shy", path_policy="relay-only") as node:
        report = await node.report_call(WHOAMI, None, to=far)
        assert (report.provider, report.path, report.hops) == (far, "relayed", ())
        await pause(PATIENCE)

        assert await path_to(node, far) == "relayed"
        told = lab.exec_json(lab.edges[1], ["why", "shy"])
        assert told["path"] == "relayed" and not told["paths"]
        assert (told["nats"]["theirs"] or {"candidates": []})["candidates"] == []
        (record,) = lab.exec_json(lab.edges[1], ["dht", "lookup", str(node.node_id), "--kind", "peer"])["found"]
        assert not record["address"]


async def test_who_never_relays_is_connected_directly_or_not_at_all(lab: SuiteMesh) -> None:
    node_ids = ids(lab)
    far, procedure = NodeId.parse(node_ids[lab.edges[1]]), f"{REALM}.proud.ask"
    async with lab.joined("proud", path_policy="never-relay", reachable="no") as node:
        await node.advertise(procedure, lambda args: args)
        for peer in (far, NodeId.parse(node_ids[lab.edges[2]])):
            with pytest.raises((PeerUnreachable, Disconnected)):
                await node.report_call(WHOAMI, None, to=peer, timeout=3)
        assert (await node.status())["relays"] == []
        assert {await path_to(node, NodeId.parse(one)) for one in node_ids.values()} <= {"direct", "none"}

        report = await node.report_call(WHOAMI, None, to=NodeId.parse(node_ids["bootstrap"]))
        assert report.path == "direct"
