"""Calls with 64 bytes each way, one after the other and 64 at a time."""

from __future__ import annotations

from functools import partial

from benchmarks.contenders import FLOOR, NODE, ready
from benchmarks.measuring import Effort, Sample, interleave, ratios, repeat
from benchmarks.processes import cpu_with
from benchmarks.results import Figure, Goal, Result, compared, figure

SEQUENTIAL = 1000
"""Calls of a round."""
PIPELINED = 4000
AT_ONCE = 64

CPU_GOAL = Goal(1.8, at_most=True)
LATENCY_GOAL = Goal(1.3, at_most=True)
RATE_GOALS = {"grpc.aio": Goal(8, at_most=False), "nats": Goal(1, at_most=False)}


async def run(effort: Effort) -> Result:
    """Both ways of calling, of all."""
    async with ready("calls", effort, lambda system, place: system.calling(place)) as contenders:
        one_by_one, at_once = (
            {
                name: partial(repeat, one.does, effort.units(calls), in_flight, cpu_with(one.process))
                for name, one in contenders.items()
            }
            for calls, in_flight in ((SEQUENTIAL, 1), (PIPELINED, AT_ONCE))
        )
        figures = [
            *_latency(await interleave(one_by_one, effort.rounds)),
            *_throughput(await interleave(at_once, effort.rounds)),
        ]
    return Result("calls", tuple(figures))


def _latency(samples: dict[str, list[Sample]]) -> list[Figure]:
    middle, late = (
        {name: [1e6 * sample.latency(share) for sample in rounds] for name, rounds in samples.items()}
        for share in (0.5, 0.99)
    )
    return [
        *compared("sequential p50", "us", middle),
        *compared("sequential p99", "us", late),
        figure("sequential p50 / floor", "", ratios(middle[NODE], middle[FLOOR]), LATENCY_GOAL),
    ]


def _throughput(samples: dict[str, list[Sample]]) -> list[Figure]:
    rates = {name: [sample.rate for sample in rounds] for name, rounds in samples.items()}
    cpu = {name: [1e3 * sample.cpu_per_unit for sample in rounds] for name, rounds in samples.items()}
    return [
        *compared(f"{AT_ONCE} in flight", "calls/s", rates),
        *compared(f"{AT_ONCE} in flight, CPU", "s/1000", cpu),
        figure(f"{AT_ONCE} in flight, CPU / floor", "", ratios(cpu[NODE], cpu[FLOOR]), CPU_GOAL),
        *(
            figure(f"{AT_ONCE} in flight, calls/s / {name}", "", ratios(rates[NODE], rates[name]), goal)
            for name, goal in RATE_GOALS.items()
            if name in rates
        ),
    ]
