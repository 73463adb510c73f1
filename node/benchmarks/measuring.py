"""Rounds in turn, and what they took. A busy host disturbs all that is compared alike, and CPU times the least."""

from __future__ import annotations

import asyncio
import random
import resource
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SEED = 1

CpuSeconds = Callable[[], Awaitable[float]]
"""CPU seconds that all processes of a contender have used."""
Call = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Effort:
    """How much to do: `rounds` of each contender, of so many of the units that a benchmark has for 1.0."""

    rounds: int = 5
    scale: float = 1.0

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
    for number in range(rounds + 1):
        for name in rng.sample(sorted(contenders), len(contenders)):
            sample = await contenders[name]()
            if number:
                samples[name].append(sample)
    return samples


async def repeat(call: Call, units: int, at_once: int, cpu: CpuSeconds) -> Sample:
    """Do this `units` times, `at_once` of them at a time."""
    left = units
    latencies: list[float] = []
    before, began = await cpu(), time.perf_counter()

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
    seconds = time.perf_counter() - began
    return Sample(units, seconds, await cpu() - before, tuple(sorted(latencies)))


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


def own_peak() -> int:
    """The most bytes of memory that this process has had."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1])


def own_memory() -> int:
    """Bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
