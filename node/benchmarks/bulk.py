"""64 MiB one way, in chunks of 64 KiB that cannot be compressed."""

from __future__ import annotations

from functools import partial

from benchmarks.contenders import FLOOR, NODE, ready
from benchmarks.measuring import Effort, interleave, ratios, timed
from benchmarks.nodes import CHUNK
from benchmarks.processes import cpu_with
from benchmarks.results import Goal, Result, compared, figure

CHUNKS = (64 << 20) // CHUNK
STEP = 16
"""Chunks of which a round is a multiple: the floor acknowledges whole MiB."""
GOAL = Goal(2, at_most=False)

MIB = 1 << 20


async def run(effort: Effort) -> Result:
    """Each in turn."""
    chunks = STEP * effort.units(CHUNKS // STEP)
    async with ready("bulk", effort, lambda system, place: system.sending(place)) as contenders:
        work = {
            name: partial(timed, partial(one.does, chunks), chunks * CHUNK, cpu_with(one.process))
            for name, one in contenders.items()
        }
        samples = await interleave(work, effort.rounds)
    rates = {name: [sample.rate / MIB for sample in rounds] for name, rounds in samples.items()}
    cpu = {name: [1e3 * sample.cpu_per_unit * MIB for sample in rounds] for name, rounds in samples.items()}
    return Result(
        "bulk",
        (
            *compared("64 MiB one way", "MiB/s", rates),
            *compared("64 MiB one way, CPU", "ms/MiB", cpu),
            figure("64 MiB one way, MiB/s / floor", "", ratios(rates[NODE], rates[FLOOR]), GOAL),
            figure("64 MiB one way, CPU / floor", "", ratios(cpu[NODE], cpu[FLOOR])),
        ),
    )
