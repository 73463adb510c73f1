"""How fast calls are through a relay, next to the same calls directly.

Caller, relay and both providers are processes of their own. One provider can be dialed, the other takes no way but the
relay, which has as much to do as caller and provider together have in packets.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import macula
from benchmarks.measuring import Effort, interleave, ratios, repeat
from benchmarks.nodes import CLIENT, PAYLOAD, PROCEDURE, REALM, until_relayed
from benchmarks.processes import cpu_with, started
from benchmarks.results import Goal, Result, figure

CALLS = 2000
"""Of a round."""
AT_ONCE = 16
GOAL = Goal(0.7, at_most=False)


async def run(effort: Effort) -> Result:
    """Both paths of one caller."""
    async with started("relay") as middle:
        place = (await middle.told())["place"]
        async with (
            started("serve", "near", place) as near,
            started("serve", "far", place, "relayed") as far,
            macula.connect(REALM, "caller", [place], **CLIENT) as node,
        ):
            await until_relayed(node)
            targets = {"direct": (await near.told())["node_id"], "relayed": (await far.told())["node_id"]}
            ends = {"direct": (near,), "relayed": (far, middle)}
            await _check(node, targets)
            contenders = {
                path: partial(
                    repeat,
                    partial(node.call_to, target, PROCEDURE, PAYLOAD, timeout=30),
                    effort.units(CALLS),
                    AT_ONCE,
                    cpu_with(*ends[path]),
                )
                for path, target in targets.items()
            }
            before = await middle.cpu()
            samples = await interleave(contenders, effort.rounds)
            # It has nothing to do with direct calls; the round to warm up counts.
            forwarding = (await middle.cpu() - before) / (effort.units(CALLS) * (effort.rounds + 1))
    rates = {path: [sample.rate for sample in rounds] for path, rounds in samples.items()}
    return Result(
        "relay",
        (
            *(figure(f"{AT_ONCE} in flight, {path}", "calls/s", values) for path, values in rates.items()),
            *(
                figure(f"{AT_ONCE} in flight, CPU, {path}", "s/1000", [1e3 * sample.cpu_per_unit for sample in rounds])
                for path, rounds in samples.items()
            ),
            figure("CPU of the relay alone", "s/1000", [1e3 * forwarding]),
            figure("relayed / direct", "", ratios(rates["relayed"], rates["direct"]), GOAL),
        ),
    )


async def _check(node: macula.Mesh, targets: Mapping[str, str]) -> None:
    for path, target in targets.items():
        report = await node.report_call(PROCEDURE, 1, to=target, timeout=10)
        if report.path != path:
            raise RuntimeError(f"what should be {path} is {report.path}")
