"""Rounds in turn, and what they took. A busy host disturbs all that is compared alike, and CPU times the least."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import resource
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SEED = 1
PATIENCE = 600.0
"""Seconds for a round: who has not done it by then never will."""

CpuSeconds = Callable[[], Awaitable[float]]
"""CPU seconds that all processes of a contender have used."""
Call = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Effort:
    """How much to do: `rounds` of each contender, of so many of the units that a benchmark has for 1.0; of a node and
    the floor and so many `others`, if that is not None."""

    rounds: int = 5
    scale: float = 1.0
    others: tuple[str, ...] | None = None

    def units(self, full: int) -> int:
        """How many, at least one."""
        return max(1, round(full * self.scale))


@dataclass(frozen=True, slots=True)
class Sample:
    """One round: units of work, wall and CPU seconds that they took, and each unit's own seconds, sorted."""

    units: int
    seconds: float
    cpu: float
    latencies: tuple[float, ...]

    @property
    def rate(self) -> float:
        """Units per second."""
        return self.units / self.seconds

    @property
    def cpu_per_unit(self) -> float:
        """CPU seconds for one."""
        return self.cpu / self.units

    def latency(self, share: float) -> float:
        """Seconds that this share of the units took at most."""
        return self.latencies[round(share * (len(self.latencies) - 1))]


Contender = Callable[[], Awaitable[Sample]]


async def interleave(contenders: Mapping[str, Contender], rounds: int) -> dict[str, list[Sample]]:
    """One round of each to warm up, then `rounds` of each. The order within a round is drawn, so that none always has
    the first place."""
    rng = random.Random(SEED)
    samples: dict[str, list[Sample]] = {name: [] for name in contenders}
    with heap_frozen():
        for number in range(rounds + 1):
            for name in rng.sample(sorted(contenders), len(contenders)):
                async with asyncio.timeout(PATIENCE):
                    sample = await contenders[name]()
                if number:
                    samples[name].append(sample)
    return samples


@contextmanager
def heap_frozen() -> Iterator[None]:
    """Nothing that exists now is looked at by the garbage collector: what all contenders are made of is in one process,
    and each of them would pay for the others."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


async def repeat(call: Call, units: int, at_once: int, cpu: CpuSeconds) -> Sample:
    """Do this `units` times, `at_once` of them at a time."""
    before, began = await cpu(), time.perf_counter()
    latencies = await repeat_call(call, units, at_once)
    seconds = time.perf_counter() - began
    return Sample(units, seconds, await cpu() - before, tuple(sorted(latencies)))


async def repeat_call(call: Call, units: int, at_once: int) -> list[float]:
    """As repeat: the seconds that each took."""
    left = units
    latencies: list[float] = []

    async def worker() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            at = time.perf_counter()
            await call()
            latencies.append(time.perf_counter() - at)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(worker())
    return latencies


async def timed(work: Call, units: int, cpu: CpuSeconds) -> Sample:
    """Do so many units by one call."""
    before, began = await cpu(), time.perf_counter()
    await work()
    seconds = time.perf_counter() - began
    return Sample(units, seconds, await cpu() - before, (seconds,))


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Of each round: what disturbed both alike cancels out."""
    return [one / other for one, other in zip(ours, theirs, strict=True)]


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def own_cpu() -> float:
    """CPU seconds that this process used."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def children_cpu() -> float:
    """CPU seconds that processes used which this one started and which still run."""
    # The name in parentheses may hold anything; user and system time are the 12th and 13th field behind it.
    fields = [(child / "stat").read_text().rpartition(")")[2].split() for child in _children()]
    return sum(int(user) + int(system) for *_, user, system in (each[:13] for each in fields)) / os.sysconf(
        "SC_CLK_TCK"
    )


def children_memory() -> int:
    """Bytes of memory that these have."""
    pages = sum(int((child / "statm").read_text().split()[1]) for child in _children())
    return pages * resource.getpagesize()


def _children() -> list[Path]:
    tasks = Path("/proc/self/task").iterdir()
    return [Path("/proc", pid) for task in tasks for pid in (task / "children").read_text().split()]


def own_peak() -> int:
    """The most bytes of memory that this process has had."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1])


def own_memory() -> int:
    """Bytes of memory that this process has, once what is garbage is gone."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
