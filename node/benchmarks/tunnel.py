"""Calls between two edges through one gateway by routed envelopes, as all traffic of the seed's centralised tunnel
went, next to the same calls without anybody between them.

An envelope is sealed for its target, so the gateway cannot read it; the seed's could. A gateway takes 500 envelopes a
second from one peer, with 1000 at once: a round keeps below that.
"""

from __future__ import annotations

from functools import partial

import macula
from benchmarks.measuring import Effort, interleave, ratios, repeat
from benchmarks.nodes import CLIENT, PAYLOAD, PROCEDURE, REALM
from benchmarks.processes import cpu_with, started
from benchmarks.results import Goal, Result, figure

CALLS = 300
"""Of a round."""
AT_ONCE = 8
GOAL = Goal(1, at_most=False)
"""Nothing is won by connecting directly if not this."""


async def run(effort: Effort) -> Result:
    """Both ways of one caller."""
    async with started("gateway") as gateway:
        place = (await gateway.told())["place"]
        async with (
            started("serve", "near", place) as near,
            started("serve", "far", place, "hidden") as far,
            macula.connect(REALM, "caller", [place], **CLIENT) as node,
        ):
            ends = {"direct": (near,), "tunnel": (far, gateway)}
            targets = {"direct": (await near.told())["node_id"], "tunnel": (await far.told())["node_id"]}
            for way, path in (("direct", "direct"), ("tunnel", "routed")):
                report = await node.report_call(PROCEDURE, 1, to=targets[way], timeout=30)
                if report.path != path:
                    raise RuntimeError(f"what should be {path} is {report.path}")
            work = {
                way: partial(
                    repeat,
                    partial(node.call_to, target, PROCEDURE, PAYLOAD, timeout=30),
                    effort.units(CALLS),
                    AT_ONCE,
                    cpu_with(*ends[way]),
                )
                for way, target in targets.items()
            }
            samples = await interleave(work, effort.rounds)
    rates = {way: [sample.rate for sample in rounds] for way, rounds in samples.items()}
    cpu = {way: [1e3 * sample.cpu_per_unit for sample in rounds] for way, rounds in samples.items()}
    return Result(
        "tunnel",
        (
            *(figure(f"{AT_ONCE} in flight, {way}", "calls/s", values) for way, values in rates.items()),
            *(figure(f"{AT_ONCE} in flight, CPU, {way}", "s/1000", values) for way, values in cpu.items()),
            figure("calls/s, direct / tunnel", "", ratios(rates["direct"], rates["tunnel"]), GOAL),
            figure("CPU, tunnel / direct", "", ratios(cpu["tunnel"], cpu["direct"])),
        ),
    )
