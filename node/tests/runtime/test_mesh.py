"""The whole node over real sockets on loopback: what an application sees."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

import macula
from macula.errors import (
    ArgumentError,
    Busy,
    Cancelled,
    Disconnected,
    NodeClosed,
    NotFound,
    PeerUnreachable,
    RemoteError,
    Timeout,
    Unauthorized,
)
from macula.runtime.reports import CallContext, MeshEvent

from .waiting import until

REALM = "org.test"
LOOPBACK: dict[str, Any] = {"host": "127.0.0.1", "reconnect_interval": 0.1}


@asynccontextmanager
async def mesh_of(count: int, **settings: Any) -> AsyncIterator[list[macula.Mesh]]:
    """A bootstrap and `count` - 1 edges that joined through it."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(
            macula.connect(REALM, "node0", mode="bootstrap", **LOOPBACK, **settings)
        )
        place = (await first.status())["listen"]
        nodes = [first]
        for number in range(1, count):
            node = macula.connect(REALM, f"node{number}", [place], **LOOPBACK, **settings)
            nodes.append(await stack.enter_async_context(node))
        yield nodes


async def test_a_call_is_answered_by_its_provider() -> None:
    async with mesh_of(3) as (_, provider, caller):

        async def greet(args: Any, context: CallContext) -> Any:
            return {"hello": args["name"], "did": context.did, "realm": context.realm, "hurry": context.remaining < 2}

        await provider.advertise("org.test.greet", greet)

        report = await caller.report_call("org.test.greet", {"name": "you"}, timeout=2)

        assert report.value == {"hello": "you", "did": caller.did, "realm": REALM, "hurry": True}
        assert (report.provider, report.path, report.hops) == (provider.node_id, "direct", ())
        assert 0 < report.latency < 2


async def test_handlers_may_be_plain_functions_and_take_no_context() -> None:
    async with mesh_of(2) as (provider, caller):
        await provider.advertise("org.test.double", lambda n: 2 * n)

        assert await asyncio.gather(*[caller.call("org.test.double", n) for n in range(20)]) == [*range(0, 40, 2)]


async def test_errors_of_a_call() -> None:
    async with mesh_of(2) as (provider, caller):
        never = asyncio.Event()

        async def stuck(args: Any) -> None:
            await never.wait()

        def broken(args: Any) -> None:
            raise KeyError("no such order")

        def guarded(args: Any) -> None:
            raise Unauthorized("members only")

        await provider.advertise("org.test.stuck", stuck)
        await provider.advertise("org.test.broken", broken)
        await provider.advertise("org.test.guarded", guarded)
        await provider.advertise("org.test.nonsense", lambda _: object())

        with pytest.raises(Timeout):
            await caller.call("org.test.stuck", timeout=0.2)
        with pytest.raises(RemoteError, match="KeyError: 'no such order'"):
            await caller.call("org.test.broken")
        with pytest.raises(Unauthorized, match="members only"):
            await caller.call("org.test.guarded")
        with pytest.raises(RemoteError, match="result"):
            await caller.call("org.test.nonsense")
        with pytest.raises(NotFound):
            await caller.call("org.test.nobody")
        with pytest.raises(NotFound):
            await caller.call_to(provider.node_id, "org.test.nobody")
        with pytest.raises(ArgumentError, match="args"):
            await caller.call("org.test.broken", object())
        with pytest.raises(ArgumentError, match="args"):
            await caller.call("org.test.broken", b"x" * (1 << 20))
        with pytest.raises(ArgumentError, match="timeout"):
            await caller.call("org.test.broken", timeout=0)
        with pytest.raises(ArgumentError, match="strategy"):
            await caller.call("org.test.broken", strategy="dice")
        with pytest.raises(ArgumentError, match="procedure"):
            await caller.call("org..broken")


async def test_a_cancelled_call_is_cancelled_at_its_handler() -> None:
    async with mesh_of(2) as (provider, caller):
        running, cancelled = asyncio.Event(), asyncio.Event()

        async def wait(args: Any) -> None:
            running.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.set()
                raise

        await provider.advertise("org.test.wait", wait)
        pending = caller.call_async("org.test.wait", timeout=30)
        async with asyncio.timeout(10):
            await running.wait()
            pending.cancel()
            with pytest.raises(Cancelled):
                await pending
            await cancelled.wait()


async def test_leaving_the_waiting_task_cancels_the_call() -> None:
    async with mesh_of(2) as (provider, caller):
        running, cancelled = asyncio.Event(), asyncio.Event()

        async def wait(args: Any) -> None:
            running.set()
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        await provider.advertise("org.test.wait", wait)
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            task = tasks.create_task(caller.call("org.test.wait", timeout=30))
            await running.wait()
            task.cancel()
            await cancelled.wait()


async def test_events_reach_each_subscriber_once_and_in_order() -> None:
    async with (
        mesh_of(4) as (_, publisher, exact, wild),
        await exact.subscribe("org.test.orders.placed") as placed,
        await wild.subscribe("org.test.**") as all_,
    ):
        for number in range(50):
            report = await publisher.publish("org.test.orders.placed", number, qos=1)
            assert set(report.delivered) == {exact.node_id, wild.node_id}
            assert report.failed == {}
        async with asyncio.timeout(10):
            for events in (placed, all_):
                got = [await anext(events) for _ in range(50)]
                assert [event.payload for event in got] == list(range(50))
                assert {(event.publisher, event.topic, event.missed) for event in got} == {
                    (publisher.node_id, "org.test.orders.placed", 0)
                }


async def test_a_callback_that_fails_misses_no_later_event(caplog: pytest.LogCaptureFixture) -> None:
    async with mesh_of(2) as (subscriber, publisher):
        got: list[Any] = []
        done = asyncio.Event()

        def take(event: MeshEvent) -> None:
            if event.payload == 1:
                raise ValueError("not this one")
            got.append(event.payload)
            if event.payload == 2:
                done.set()

        await subscriber.subscribe("org.test.numbers", take)
        for number in range(3):
            await publisher.publish("org.test.numbers", number, qos=1)
        async with asyncio.timeout(10):
            await done.wait()
        assert got == [0, 2]
        assert "subscribe.callback_failed" in caplog.text


async def test_a_slow_subscriber_is_told_what_it_missed_and_holds_nobody_back() -> None:
    async with (
        mesh_of(3) as (publisher, slow, quick),
        await slow.subscribe("org.test.ticks", capacity=2) as few,
        await quick.subscribe("org.test.ticks", capacity=100) as all_,
    ):
        for number in range(10):
            await publisher.publish("org.test.ticks", number)
        async with asyncio.timeout(10):
            assert [(await anext(all_)).payload for _ in range(10)] == list(range(10))
            assert [(await anext(few)).payload for _ in range(2)] == [0, 1]
            # Asking for the next one consumes the last; only then is there room again.
            async with asyncio.TaskGroup() as tasks:
                waiting = tasks.create_task(few.__anext__())
                await publisher.publish("org.test.ticks", "later", qos=1)
            event = waiting.result()
        assert (event.payload, event.missed) == ("later", 8)


async def test_realms_do_not_meet() -> None:
    async with mesh_of(2) as (bootstrap, ours):
        place = (await bootstrap.status())["listen"]
        async with macula.connect("org.other", "stranger", [place], **LOOPBACK) as stranger:
            await ours.advertise("org.test.secret", lambda _: "ours")
            with pytest.raises(NotFound):
                await stranger.call("org.test.secret")
            with pytest.raises((PeerUnreachable, Disconnected), match="realm"):
                await stranger.connector.send_message_and_wait((await ours.status())["listen"], "ping", {})


async def test_the_connector_pools_and_says_what_went_wrong() -> None:
    async with mesh_of(2) as (bootstrap, edge):
        before = (await edge.status())["pool"]
        answers = await asyncio.gather(
            *[edge.connector.send_message_and_wait(bootstrap.node_id, "ping", {}) for _ in range(10)]
        )
        after = (await edge.status())["pool"]

        assert {type(answer).__name__ for answer in answers} == {"Pong"}
        assert (after["size"], after["misses"]) == (before["size"], before["misses"])
        assert after["hits"] >= before["hits"] + 10
        await edge.connector.send_message(str(bootstrap.node_id), "Ping", {"request": 1})
        with pytest.raises(PeerUnreachable):
            await edge.connector.send_message("127.0.0.1:9", "ping", {}, timeout=0.5, retry=1)
        with pytest.raises(ArgumentError, match="type"):
            await edge.connector.send_message(bootstrap.node_id, "pang", {})
        with pytest.raises(ArgumentError, match="request"):
            await edge.connector.send_message(bootstrap.node_id, "ping", {"request": -1})


async def test_stopping_withdraws_records_and_finishes_what_runs() -> None:
    async with mesh_of(2) as (bootstrap, caller):
        place = (await bootstrap.status())["listen"]
        entered, leave = asyncio.Event(), asyncio.Event()

        async def slow(args: Any) -> str:
            entered.set()
            await leave.wait()
            return "done"

        async with asyncio.timeout(20):
            async with macula.connect(REALM, "leaver", [place], **LOOPBACK) as leaver:
                await leaver.advertise("org.test.slow", slow)
                pending = caller.call_async("org.test.slow", timeout=15)
                await entered.wait()
                asyncio.get_running_loop().call_later(0.2, leave.set)
            assert await pending == "done"
            assert await caller.dht_lookup("org.test.slow") == []
            with pytest.raises(NodeClosed):
                await leaver.call("org.test.slow")


async def test_an_error_in_the_body_is_raised_as_it_is() -> None:
    with pytest.raises(Busy, match="mine"):
        async with mesh_of(1):
            raise Busy("mine")


async def test_lookup_and_statistics() -> None:
    async with mesh_of(3) as (bootstrap, provider, asker):
        await provider.advertise("org.test.find_me", lambda _: None)

        (found,) = await asker.dht_lookup("org.test.find_me")

        assert found["node_id"] == str(provider.node_id)
        assert found["address"] == (await provider.status())["listen"]
        assert await asker.dht_lookup("org.test.not_there") == []
        assert (await bootstrap.dht_stats())["nodes"] == 2

        async def has_the_records_of_all() -> bool:
            return (await bootstrap.dht_stats())["stored_keys"] >= 4

        await until(has_the_records_of_all)
        with pytest.raises(ArgumentError, match="kind"):
            await asker.dht_lookup("org.test.find_me", "peers")


@pytest.mark.parametrize("capacity", [0, 65537])
async def test_a_wrong_capacity_is_named(capacity: int) -> None:
    async with mesh_of(1) as (node,):
        with pytest.raises(ArgumentError, match="capacity"):
            await node.subscribe("org.test.topic", capacity=capacity)
        assert (await node.status())["subscriptions"] == []
