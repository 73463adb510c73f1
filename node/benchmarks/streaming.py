"""A transfer by a streaming call, each way, and what a small call over the same connection feels of it.

What is sent cannot be compressed. On loopback processors are saturated and not the path, which makes small calls wait
longer than a slow path would. `--scale 32 --rounds 1` sends 1 GiB each way: memory must not grow with it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from functools import partial

import macula
from benchmarks.measuring import Call, CpuSeconds, Effort, Sample, interleave, own_peak, ratios, repeat
from benchmarks.nodes import BLOB, CHUNK, PAYLOAD, PROCEDURE, REALM, SETTINGS, SINK, random_chunks
from benchmarks.processes import cpu_with, started
from benchmarks.results import Goal, Result, figure

CHUNKS = 512
"""Of a round, each way."""
CALLS = 500
"""Of a round in which nothing else goes on."""

LATENCY_GOAL = Goal(3, at_most=True)
MEMORY_GOAL = Goal(100, at_most=True)


async def run(effort: Effort) -> Result:
    """Small calls alone, and while chunks come from the provider or go to it."""
    chunks = effort.units(CHUNKS)
    async with (
        started("stream") as provider,
        macula.connect(REALM, "caller", [(await provider.told())["place"]], **SETTINGS) as node,
    ):
        small: Call = partial(node.call, PROCEDURE, PAYLOAD, timeout=30)
        cpu = cpu_with(provider)
        ways = {"down": partial(_download, node, chunks), "up": partial(_upload, node, chunks)}
        samples = await interleave(
            {
                "idle": partial(repeat, small, effort.units(CALLS), 1, cpu),
                **{way: partial(_during, transfer, chunks, small, cpu) for way, transfer in ways.items()},
            },
            effort.rounds,
        )
        peaks = {"provider": (await provider.ask())["peak"], "caller": own_peak()}
    p99 = {name: [sample.latency(0.99) for sample in rounds] for name, rounds in samples.items()}
    return Result(
        "streaming",
        (
            *(figure(way, "MB/s", [sample.rate * CHUNK / 1e6 for sample in samples[way]]) for way in ways),
            *(
                figure(f"CPU, {way}", "s/GB", [sample.cpu_per_unit * 1e9 / CHUNK for sample in samples[way]])
                for way in ways
            ),
            *(figure(f"small call p99, {name}", "ms", [1e3 * value for value in p99[name]]) for name in samples),
            *(figure(f"small call p99, {way} / idle", "", ratios(p99[way], p99["idle"]), LATENCY_GOAL) for way in ways),
            *(figure(f"peak memory of the {who}", "MB", [peak / 1e6], MEMORY_GOAL) for who, peak in peaks.items()),
        ),
    )


async def _during(transfer: Callable[[], Awaitable[None]], chunks: int, small: Call, cpu: CpuSeconds) -> Sample:
    """A transfer, with the times of the small calls that were made one after the other meanwhile."""
    latencies: list[float] = []
    before, began = await cpu(), time.perf_counter()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(_timed(transfer))
        while not (task.done() and latencies):
            at = time.perf_counter()
            await small()
            latencies.append(time.perf_counter() - at)
    return Sample(chunks, task.result() - began, await cpu() - before, tuple(sorted(latencies)))


async def _timed(transfer: Callable[[], Awaitable[None]]) -> float:
    await transfer()
    return time.perf_counter()


async def _download(node: macula.Mesh, chunks: int) -> None:
    received = 0
    async with aclosing(node.call_stream(BLOB, chunks, timeout=30)) as items:
        async for item in items:
            received += len(item)
    _check(received, chunks)


async def _upload(node: macula.Mesh, chunks: int) -> None:
    received = 0
    async with aclosing(node.call_stream(SINK, send=random_chunks(chunks), timeout=30)) as items:
        async for item in items:
            received = item
    _check(received, chunks)


def _check(received: int, chunks: int) -> None:
    if received != chunks * CHUNK:
        raise RuntimeError(f"{received} bytes came of {chunks * CHUNK}")
