"""Whole nodes on loopback that say they cannot be reached: they meet through a relay, over real UDP."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

import macula
from macula.errors import ArgumentError, MeshError

from .waiting import until

REALM = "org.test"
LOOPBACK: dict[str, Any] = {"host": "127.0.0.1", "health_port": 0, "stun_port": 0, "tcp": False}


@asynccontextmanager
async def hidden_pair(**settings: Any) -> AsyncIterator[tuple[macula.Mesh, macula.Mesh, macula.Mesh]]:
    """A bootstrap that relays, and two edges that nobody can dial."""
    async with AsyncExitStack() as stack:
        relay = await stack.enter_async_context(macula.connect(REALM, "relay", mode="bootstrap", **LOOPBACK))
        place = (await relay.status())["listen"]
        edges = [macula.connect(REALM, name, [place], **LOOPBACK, reachable="no", **settings) for name in ("a", "b")]
        a, b = [await stack.enter_async_context(edge) for edge in edges]
        if settings.get("path_policy") != "never-relay":

            async def relays_are_used() -> bool:
                return all([(await node.status())["relays"] for node in (a, b)])

            await until(relays_are_used)
        yield relay, a, b


async def test_a_call_is_relayed_and_everybody_can_see_that() -> None:
    async with hidden_pair() as (relay, a, b):
        await b.advertise("org.test.greet", lambda args: f"hello {args}")

        report = await a.report_call("org.test.greet", "a")

        assert (report.value, report.path, report.hops) == ("hello a", "relayed", ())
        (path,) = [peer for peer in await a.peers() if peer["name"] == "b"]
        assert path["path"] == "relayed" and path["relay"]["name"] == "relay"
        assert path["address"] == (await relay.status())["listen"]
        relaying = (await relay.status())["relaying"]
        assert relaying["sessions"] == 2 and relaying["bytes"] > 1000 and not relaying["dropped"]
        assert [one["name"] for one in (await b.status())["relays"]] == ["relay"]


async def test_events_and_large_values_are_relayed() -> None:
    async with hidden_pair(path_policy="relay-only") as (relay, a, b):
        async with await b.subscribe("org.test.feed") as events:
            noise = random.Random(1).randbytes(10_000)  # which cannot be compressed
            for number in range(50):
                await a.publish("org.test.feed", [number, noise], qos=1)
            assert [(await anext(events)).payload[0] for _ in range(50)] == list(range(50))
        assert (await relay.status())["relaying"]["bytes"] > 500_000


async def test_who_never_relays_is_not_reached() -> None:
    async with hidden_pair(path_policy="never-relay") as (_, a, b):
        await b.advertise("org.test.greet", lambda args: args)
        with pytest.raises(MeshError):
            await a.call("org.test.greet", 1, timeout=1)
        assert (await a.status())["relays"] == []


async def test_a_message_is_sent_through_the_relay_that_its_sender_names() -> None:
    async with hidden_pair() as (relay, a, b):
        place = (await relay.status())["listen"]
        await a.connector.send_message_nat_aware(b.node_id, "ping", {}, relay_endpoint=place, skip_hole_punch=True)
        (path,) = [peer for peer in await a.peers() if peer["name"] == "b"]
        assert path["path"] == "relayed"
        with pytest.raises(ArgumentError, match="node id"):
            await a.connector.send_message_nat_aware(place, "ping", {})


async def test_a_message_is_sent_to_the_endpoint_that_its_sender_knows() -> None:
    async with hidden_pair() as (_, a, b):
        endpoint = (await b.status())["listen"]
        await a.connector.send_message_nat_aware(b.node_id, "ping", {}, endpoint=endpoint)
        (path,) = [peer for peer in await a.peers() if peer["name"] == "b"]
        assert (path["path"], path["address"]) == ("direct", endpoint)


async def test_a_relay_that_is_switched_off_leaves_the_envelopes() -> None:
    async with AsyncExitStack() as stack:
        open_ = stack.enter_async_context
        off: dict[str, Any] = {**LOOPBACK, "relay_clients": 0}
        relay = await open_(macula.connect(REALM, "relay", mode="bootstrap", **off))
        place = (await relay.status())["listen"]
        a, b = [await open_(macula.connect(REALM, name, [place], **LOOPBACK, reachable="no")) for name in ("a", "b")]
        await b.advertise("org.test.greet", lambda args: args)
        report = await a.report_call("org.test.greet", 1)
        assert (report.path, report.hops) == ("routed", (relay.node_id,))


async def test_a_node_that_stops_says_goodbye_through_its_relay() -> None:
    async with hidden_pair() as (relay, _, b):
        place = (await relay.status())["listen"]
        async with macula.connect(REALM, "passer-by", [place], **LOOPBACK, reachable="no") as node:
            await b.advertise("org.test.greet", lambda args: args)
            report = await node.report_call("org.test.greet", 1)
            assert report.path == "relayed"
            assert "passer-by" in {peer["name"] for peer in await b.peers()}

        async def it_has_gone() -> bool:
            return "passer-by" not in {peer["name"] for peer in await b.peers()}

        await until(it_has_gone)
