"""The other ends of a benchmark, in processes of their own that answer lines with lines of JSON."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks.measuring import CpuSeconds, children_cpu, children_memory, own_cpu, own_memory, own_peak

NODE = Path(__file__).parents[1]
PATIENCE = 120.0
"""Seconds for an answer."""
_MEMORY = "memory"


class Process:
    """One of benchmarks.roles or benchmarks.systems. Start it by `started`."""

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

    async def ask(self, do: str = "", *argv: Any, within: float = PATIENCE) -> dict[str, Any]:
        """Have it `do` what its role can, if anything. Then its `cpu` seconds, the `peak` of its memory in bytes, what
        else its role tells, and the `result`."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([do, *argv]).encode() + b"\n")
        return await self.told(within)

    async def cpu(self) -> float:
        """CPU seconds that it used."""
        return float((await self.ask())["cpu"])

    async def memory(self) -> int:
        """Bytes that it has, once what is garbage is gone. Takes CPU time, so not within a round."""
        return int((await self.ask(_MEMORY))["result"])

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
async def started(*argv: str, module: str = "benchmarks.roles") -> AsyncIterator[Process]:
    """A process that plays a role of the module as long as the block lasts."""
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-m", module, *argv)
    process = Process(await asyncio.create_subprocess_exec(*command, cwd=NODE, stdin=pipe, stdout=pipe))
    try:
        yield process
    finally:
        await process.stop()


def cpu_of(*others: Process) -> CpuSeconds:
    """What these used together."""

    async def cpu() -> float:
        return sum([await other.cpu() for other in others])

    return cpu


def cpu_with(*others: Process) -> CpuSeconds:
    """What these and this process used together."""
    of_others = cpu_of(*others)

    async def cpu() -> float:
        return own_cpu() + await of_others()

    return cpu


def tell(**fields: object) -> None:
    """Of a role: answer."""
    print(json.dumps(fields), flush=True)


async def answer_until_told(does: Mapping[str, Callable[..., Awaitable[Any]]] | None = None, **more: Any) -> None:
    """Of a role: do what each line asks for, and answer with CPU time, that of processes that it started included,
    until the input ends. What is in `more` is called."""
    can = {_MEMORY: _memory, **(does or {})}
    while line := await asyncio.to_thread(sys.stdin.readline):
        do, *argv = json.loads(line)
        result = await can[do](*argv) if do else None
        told = {name: await ask() for name, ask in more.items()}
        tell(cpu=own_cpu() + children_cpu(), peak=own_peak(), result=result, **told)


async def _memory() -> int:
    return own_memory() + children_memory()


def free_port() -> int:
    """A TCP port of loopback that nobody has, for what cannot say which one it took."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
