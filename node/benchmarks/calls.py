"""Calls with 64 bytes each way, one after the other and 64 at a time, next to bare aioquic doing the same."""

from __future__ import annotations

from functools import partial

import macula
from benchmarks import floor
from benchmarks.measuring import Effort, Sample, interleave, ratios, repeat
from benchmarks.nodes import PAYLOAD, PROCEDURE, REALM, SETTINGS
from benchmarks.processes import cpu_with, started
from benchmarks.results import Figure, Goal, Result, figure

SEQUENTIAL = 1000
"""Calls of a round."""
PIPELINED = 4000
AT_ONCE = 64

CPU_GOAL = Goal(1.8, at_most=True)
LATENCY_GOAL = Goal(1.3, at_most=True)


async def run(effort: Effort) -> Result:
    """Both ways of calling, of both."""
    async with (
        started("serve", "provider", "") as provider,
        started("bare") as bare,
        macula.connect(REALM, "caller", [(await provider.told())["place"]], **SETTINGS) as node,
        floor.connected((await bare.told())["port"]) as call_bare,
    ):
        calls = {
            "macula": (partial(node.call, PROCEDURE, PAYLOAD, timeout=30), cpu_with(provider)),
            "aioquic": (partial(call_bare, PAYLOAD.encode()), cpu_with(bare)),
        }
        one_by_one = {
            name: partial(repeat, call, effort.units(SEQUENTIAL), 1, cpu) for name, (call, cpu) in calls.items()
        }
        at_once = {
            name: partial(repeat, call, effort.units(PIPELINED), AT_ONCE, cpu) for name, (call, cpu) in calls.items()
        }
        figures = [
            *_latency(await interleave(one_by_one, effort.rounds)),
            *_throughput(await interleave(at_once, effort.rounds)),
        ]
    return Result("calls", tuple(figures))


def _latency(samples: dict[str, list[Sample]]) -> list[Figure]:
    middle = {name: [sample.latency(0.5) for sample in rounds] for name, rounds in samples.items()}
    return [
        *(figure(f"sequential p50, {name}", "us", [1e6 * value for value in middle[name]]) for name in samples),
        *(
            figure(f"sequential p99, {name}", "us", [1e6 * sample.latency(0.99) for sample in rounds])
            for name, rounds in samples.items()
        ),
        figure("sequential p50, ratio", "", ratios(middle["macula"], middle["aioquic"]), LATENCY_GOAL),
    ]


def _throughput(samples: dict[str, list[Sample]]) -> list[Figure]:
    cpu = {name: [sample.cpu_per_unit for sample in rounds] for name, rounds in samples.items()}
    return [
        *(
            figure(f"{AT_ONCE} in flight, {name}", "calls/s", [sample.rate for sample in rounds])
            for name, rounds in samples.items()
        ),
        *(figure(f"{AT_ONCE} in flight, CPU, {name}", "s/1000", [1e3 * value for value in cpu[name]]) for name in cpu),
        figure(f"{AT_ONCE} in flight, CPU, ratio", "", ratios(cpu["macula"], cpu["aioquic"]), CPU_GOAL),
    ]
