"""The other ends of a benchmark, in processes of their own that answer lines with lines of JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks.measuring import CpuSeconds, own_cpu, own_memory, own_peak

NODE = Path(__file__).parents[1]
PATIENCE = 120.0
"""Seconds for an answer."""


class Process:
    """One of benchmarks.roles. Start it by `started`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def told(self, within: float = PATIENCE) -> dict[str, Any]:
        """Its next answer. Raises TimeoutError, and RuntimeError if it has ended."""
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), within)
        if not line:
            raise RuntimeError("a process of the benchmark has ended; what it wrote stands above")
        told: dict[str, Any] = json.loads(line)
        return told

    async def ask(self) -> dict[str, Any]:
        """Its `cpu` seconds and bytes of `memory` now, the `peak` of these, and what else its role tells."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        return await self.told()

    async def cpu(self) -> float:
        """CPU seconds that it used."""
        return float((await self.ask())["cpu"])

    async def stop(self) -> None:
        """End it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 10)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def started(*argv: str) -> AsyncIterator[Process]:
    """A process that plays a role as long as the block lasts."""
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-m", "benchmarks.roles", *argv)
    process = Process(await asyncio.create_subprocess_exec(*command, cwd=NODE, stdin=pipe, stdout=pipe))
    try:
        yield process
    finally:
        await process.stop()


def cpu_with(*others: Process) -> CpuSeconds:
    """What these and this process used together."""

    async def cpu() -> float:
        return own_cpu() + sum([await other.cpu() for other in others])

    return cpu


def tell(**fields: object) -> None:
    """Of a role: answer."""
    print(json.dumps(fields), flush=True)


async def answer_until_told(**more: Any) -> None:
    """Of a role: answer each line with CPU time and memory, until the input ends. What is in `more` is called."""
    while await asyncio.to_thread(sys.stdin.readline):
        tell(cpu=own_cpu(), memory=own_memory(), peak=own_peak(), **{name: await ask() for name, ask in more.items()})
