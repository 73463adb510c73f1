"""Streaming calls over real sockets on loopback: what an application sees."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

import macula
from macula.errors import Disconnected, NotFound, RemoteError, Timeout
from macula.runtime.reports import CallContext

from .test_mesh import LOOPBACK, REALM, mesh_of

COUNT = "org.test.count"
CHUNK = bytes(range(256)) * 256


async def count(args: Any) -> AsyncIterator[int]:
    for number in range(args):
        yield number


async def numbers(most: int) -> AsyncIterator[int]:
    for number in range(most):
        yield number


async def test_results_come_one_by_one_and_in_order() -> None:
    async with mesh_of(2) as (provider, caller):
        await provider.advertise(COUNT, count)
        async with asyncio.timeout(20):
            assert [item async for item in caller.call_stream(COUNT, 2000)] == [*range(2000)]
            assert [item async for item in caller.call_stream(COUNT, 0)] == []
            # A node's own procedures take the same way.
            assert [item async for item in provider.call_stream(COUNT, 300, to=provider.node_id)] == [*range(300)]


async def test_arguments_and_results_stream_at_the_same_time() -> None:
    async with mesh_of(2) as (provider, caller):

        async def doubled(args: Any, context: CallContext) -> AsyncIterator[int]:
            async for item in context.incoming:
                yield args * item

        async def total(args: Any, context: CallContext) -> int:
            return sum([item async for item in context.incoming])

        await provider.advertise("org.test.doubled", doubled)
        await provider.advertise("org.test.total", total)
        async with asyncio.timeout(20):
            results = caller.call_stream("org.test.doubled", 2, send=numbers(1000))
            assert [item async for item in results] == [*range(0, 2000, 2)]
            assert [item async for item in caller.call_stream("org.test.total", send=numbers(1000))] == [499_500]


async def test_bytes_of_any_number_pass_a_slow_consumer_in_bounded_memory() -> None:
    async with mesh_of(2) as (provider, caller):
        chunk, given = bytes(256 << 10), 0

        async def blob(args: Any) -> AsyncIterator[bytes]:
            nonlocal given
            for _ in range(args):
                given += 1
                yield chunk

        await provider.advertise("org.test.blob", blob)
        taken = 0
        async with asyncio.timeout(40):
            async for item in caller.call_stream("org.test.blob", 64):
                taken += 1
                assert item == chunk and given - taken <= 12


async def test_leaving_early_cancels_the_handler() -> None:
    async with mesh_of(2) as (provider, caller):
        stopped = asyncio.Event()

        async def endless(args: Any) -> AsyncIterator[bytes]:
            try:
                while True:
                    yield CHUNK
            finally:
                stopped.set()

        await provider.advertise("org.test.endless", endless)
        async with asyncio.timeout(20):
            async with aclosing(caller.call_stream("org.test.endless")) as items:
                async for item in items:
                    assert item == CHUNK
                    break
            await stopped.wait()
            stopped.clear()
            async for _ in caller.call_stream("org.test.endless"):
                break
            await stopped.wait()


async def test_errors_come_after_the_items_before_them() -> None:
    async with mesh_of(2) as (provider, caller):

        async def broken(args: Any) -> AsyncIterator[int]:
            yield 1
            yield 2
            raise KeyError("no third")

        async def stuck(args: Any) -> AsyncIterator[int]:
            yield 1
            await asyncio.Event().wait()

        await provider.advertise("org.test.broken", broken)
        await provider.advertise("org.test.stuck", stuck)
        seen: list[int] = []
        with pytest.raises(RemoteError, match="no third"):
            async for item in caller.call_stream("org.test.broken"):
                seen.append(item)
        with pytest.raises(Timeout):
            async for item in caller.call_stream("org.test.stuck", timeout=0.3):
                seen.append(item)
        assert seen == [1, 2, 1]
        with pytest.raises(NotFound):
            async for item in caller.call_stream("org.test.nobody"):
                seen.append(item)
        with pytest.raises(RemoteError, match="call_stream"):
            await caller.call("org.test.broken")
        await provider.advertise("org.test.once", lambda args: [args])
        assert [item async for item in caller.call_stream("org.test.once", 5)] == [[5]]


async def test_what_the_senders_iterable_raises_is_raised_to_the_caller_and_ends_the_call() -> None:
    async with mesh_of(2) as (provider, caller):
        ended = asyncio.Event()

        async def echo(args: Any, context: CallContext) -> AsyncIterator[int]:
            try:
                async for item in context.incoming:
                    yield item
            finally:
                ended.set()

        async def failing() -> AsyncIterator[int]:
            yield 1
            raise ValueError("out of numbers")

        await provider.advertise("org.test.echo", echo)
        async with asyncio.timeout(20):
            with pytest.raises(ValueError, match="out of numbers"):
                async for _ in caller.call_stream("org.test.echo", send=failing()):
                    pass
            await ended.wait()


async def test_a_lost_provider_ends_the_iteration() -> None:
    async with mesh_of(1) as (caller,):
        seen: list[bytes] = []

        async def endless(args: Any) -> AsyncIterator[bytes]:
            while True:
                yield CHUNK

        async def drain(items: AsyncIterator[bytes], some: asyncio.Event) -> None:
            with pytest.raises(Disconnected):
                async for item in items:
                    seen.append(item)
                    some.set()

        place = (await caller.status())["listen"]
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            some = asyncio.Event()
            async with macula.connect(REALM, "leaves", [place], **LOOPBACK, drain_timeout=0.1) as provider:
                await provider.advertise("org.test.endless", endless)
                tasks.create_task(drain(caller.call_stream("org.test.endless"), some))
                await some.wait()
        assert seen
