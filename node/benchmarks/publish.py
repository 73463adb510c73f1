"""Events of 64 bytes to 8 subscribers, which are in one other process, each with a connection of its own.

They are published in bursts, and the next one waits until all of the last have arrived: so nobody drops any.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import partial

from benchmarks.contenders import FLOOR, MODULE, NODE
from benchmarks.measuring import Effort, interleave, ratios, timed
from benchmarks.processes import Process, cpu_of, started
from benchmarks.results import Goal, Result, compared, figure
from benchmarks.systems import installed

SUBSCRIBERS = 8
EVENTS = 2000
"""Of a round."""
BURST = 100
GOAL = Goal(1.5, at_most=True)


async def run(effort: Effort) -> Result:
    """Each in turn."""
    events = effort.units(EVENTS)
    async with AsyncExitStack() as stack:
        work = {}
        for name in installed(effort.others):
            publisher = await stack.enter_async_context(started("publish", name, module=MODULE))
            argv = ("subscribe", name, (await publisher.told())["place"], str(SUBSCRIBERS))
            subscribers = await stack.enter_async_context(started(*argv, module=MODULE))
            await subscribers.told()
            cpu = cpu_of(publisher, subscribers)
            work[name] = partial(timed, partial(_round, publisher, subscribers, events), events * SUBSCRIBERS, cpu)
        samples = await interleave(work, effort.rounds)
    cpus = {name: [1e6 * sample.cpu_per_unit for sample in rounds] for name, rounds in samples.items()}
    title = f"publish to {SUBSCRIBERS}"
    return Result(
        "publish",
        (
            *compared(title, "deliveries/s", {name: [one.rate for one in rounds] for name, rounds in samples.items()}),
            *compared(f"{title}, CPU", "us/delivery", cpus),
            figure(f"{title}, CPU / floor", "", ratios(cpus[NODE], cpus[FLOOR]), GOAL),
        ),
    )


async def _round(publisher: Process, subscribers: Process, events: int) -> None:
    total = (await subscribers.ask("arrived"))["result"]
    for start in range(0, events, BURST):
        burst = min(BURST, events - start)
        total += burst * SUBSCRIBERS
        await asyncio.gather(subscribers.ask("wait", total), publisher.ask("publish", burst))
