"""How a node ends: whatever its application does, records are withdrawn and nothing hangs."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import macula
from macula.errors import ArgumentError, Disconnected, PeerUnreachable, Timeout
from macula.runtime.threads import Threads

REALM = "org.test"
LOOPBACK: dict[str, Any] = {"host": "127.0.0.1"}


@contextmanager
def hanging() -> Iterator[Any]:
    """A plain function that returns when the test is over."""
    over = threading.Event()
    entered = threading.Semaphore(0)

    def hang(args: Any) -> None:
        entered.release()
        over.wait(30)

    hang.entered = entered  # type: ignore[attr-defined]
    try:
        yield hang
    finally:
        over.set()


async def stuck(args: Any) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("plain", [False, True])
async def test_a_call_that_outlives_the_drain_does_not_break_the_stop(plain: bool) -> None:
    entered = threading.Semaphore(0)

    async def stuck_after_telling(args: Any) -> None:
        entered.release()
        await asyncio.Event().wait()

    with hanging() as hang:
        async with asyncio.timeout(20), macula.connect(REALM, "caller", mode="bootstrap", **LOOPBACK) as caller:
            entry = [(await caller.status())["listen"]]
            async with macula.connect(REALM, "provider", entry, drain_timeout=0.3, **LOOPBACK) as provider:
                await provider.advertise("org.test.stuck", hang if plain else stuck_after_telling)
                pending = caller.call_async("org.test.stuck", timeout=15)
                assert await asyncio.to_thread((hang.entered if plain else entered).acquire, timeout=5)
            with pytest.raises(Disconnected):
                await pending


async def test_a_callback_that_never_returns_does_not_hang_the_stop() -> None:
    async with asyncio.timeout(20), macula.connect(REALM, "node", mode="bootstrap", **LOOPBACK) as node:
        entered = asyncio.Event()

        async def never(event: macula.MeshEvent) -> None:
            entered.set()
            await asyncio.Event().wait()

        await node.subscribe("org.test.topic", never)
        await node.publish("org.test.topic")
        await entered.wait()


async def test_a_cancelled_application_still_withdraws_its_records() -> None:
    async with asyncio.timeout(20), macula.connect(REALM, "other", mode="bootstrap", **LOOPBACK) as other:
        entry = [(await other.status())["listen"]]
        advertised = asyncio.Event()

        async def application() -> None:
            async with macula.connect(REALM, "provider", entry, **LOOPBACK) as provider:
                await provider.advertise("org.test.here", stuck)
                advertised.set()
                await asyncio.Event().wait()

        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(application())
            await advertised.wait()
            assert len(await other.dht_lookup("org.test.here")) == 1
            task.cancel()
        assert await other.dht_lookup("org.test.here") == []


async def test_plain_handlers_that_hang_do_not_pile_up() -> None:
    with hanging() as hang:
        async with (
            asyncio.timeout(30),
            macula.connect(REALM, "n", mode="bootstrap", handler_threads=2, **LOOPBACK) as node,
        ):
            await node.advertise("org.test.hang", hang)
            for _ in range(10):
                calls = [node.call_async("org.test.hang", timeout=0.05) for _ in range(50)]
                for call in calls:
                    with pytest.raises(Timeout):
                        await call
            threads = node._handlers._threads
            assert threads._pool._work_queue.qsize() == 0


async def test_a_thread_is_free_again_when_its_function_returned_although_nobody_waited() -> None:
    threads = Threads(1)
    with hanging() as hang:
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            abandoned = tasks.create_task(threads.run(hang, None))
            assert await asyncio.to_thread(hang.entered.acquire, timeout=5)
            abandoned.cancel()
    async with asyncio.timeout(10):
        assert await threads.run(lambda: 7) == 7
    threads.close()


async def test_connect_says_why_it_could_not_enter() -> None:
    with pytest.raises(PeerUnreachable, match=r"127\.0\.0\.1:9"):
        async with macula.connect(REALM, "alone", ["127.0.0.1:9"], join_timeout=0.3, **LOOPBACK):
            pytest.fail("entered a mesh that is not there")


async def test_a_taken_port_is_the_systems_own_error() -> None:
    async with macula.connect(REALM, "first", mode="bootstrap", **LOOPBACK) as first:
        port = int((await first.status())["listen"].rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            async with macula.connect(REALM, "second", port=port, **LOOPBACK):
                pytest.fail("two nodes on one port")


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), "1", None])
async def test_a_wrong_timeout_is_named(timeout: Any) -> None:  # noqa: ASYNC109
    async with macula.connect(REALM, "node", mode="bootstrap", **LOOPBACK) as node:
        with pytest.raises(ArgumentError, match="timeout"):
            await node.connector.send_message("127.0.0.1:9", "ping", {}, timeout=timeout)
        with pytest.raises(ArgumentError, match="timeout"):
            await node.joined(timeout)
