"""New connections to one listener: handshake, one call and the end of it, one after another and 8 at a time.

A node's handshake has more in it than the floor's: both sides also exchange hellos, which are signed records, and the
DHT learns the new contact. Both sides prove their keys, in the floor, too; the other systems' clients prove nothing.
"""

from __future__ import annotations

from functools import partial

from benchmarks.contenders import FLOOR, NODE, ready
from benchmarks.measuring import Effort, Sample, interleave, ratios, repeat
from benchmarks.processes import cpu_with
from benchmarks.results import Figure, Goal, Result, compared, figure
from benchmarks.systems import Open

CONNECTIONS = 200
AT_ONCE = 8
SLOW = {"zenoh": 0.05}
"""Shares of the connections that are made by who takes a tenth of a second for each."""
GOAL = Goal(0.85, at_most=False)


async def run(effort: Effort) -> Result:
    """Both ways of connecting, of all."""
    figures: list[Figure] = []
    async with ready("handshakes", effort, lambda system, place: system.opening(place)) as contenders:
        for title, in_flight in (("one after another", 1), (f"{AT_ONCE} at a time", AT_ONCE)):
            work = {
                name: partial(
                    repeat,
                    partial(_open_and_close, one.does),
                    effort.units(round(CONNECTIONS * SLOW.get(name, 1))),
                    in_flight,
                    cpu_with(one.process),
                )
                for name, one in contenders.items()
            }
            figures += _figures(title, await interleave(work, effort.rounds))
    return Result("handshakes", tuple(figures))


async def _open_and_close(open_one: Open) -> None:
    close = await open_one()
    await close()


def _figures(title: str, samples: dict[str, list[Sample]]) -> list[Figure]:
    rates = {name: [sample.rate for sample in rounds] for name, rounds in samples.items()}
    cpu = {name: [1e3 * sample.cpu_per_unit for sample in rounds] for name, rounds in samples.items()}
    return [
        *compared(title, "connections/s", rates),
        *compared(f"{title}, CPU", "ms each", cpu),
        figure(f"{title}, connections/s / floor", "", ratios(rates[NODE], rates[FLOOR]), GOAL),
        figure(f"{title}, floor's CPU / CPU", "", ratios(cpu[FLOOR], cpu[NODE]), GOAL),
    ]
