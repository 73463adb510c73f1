"""Memory of an idle connection, at each side of it. Of a node that is all there is of a peer, not QUIC's part alone."""

from __future__ import annotations

from benchmarks.contenders import MODULE, NODE
from benchmarks.measuring import Effort
from benchmarks.processes import PATIENCE, Process, started
from benchmarks.results import Figure, Goal, Result, compared, figure
from benchmarks.systems import installed

CONNECTIONS = 200
GOAL = Goal(100, at_most=True)
LEAST = 20
"""With fewer, nothing can be told from the pages that the process had already."""
WARM = 8
"""Connections before the first look: what the first ones need stays."""

KIB = 1024


async def run(effort: Effort) -> Result:
    """One system after the other. Rounds do not matter: memory only grows."""
    count = max(LEAST, effort.units(CONNECTIONS))
    taken = {name: [await _taken(name, count)] for name in installed(effort.others)}
    figures: list[Figure] = compared("who is dialed", "KiB/connection", taken)
    figures.append(figure("a node that is dialed", "KiB/connection", taken[NODE], GOAL))
    figures.append(figure("a node that dials", "KiB/connection", [await _dialed(count)], GOAL))
    return Result("connections", tuple(figures))


async def _taken(name: str, count: int) -> float:
    async with started("serve", name, "connections", module=MODULE) as serving:
        place = (await serving.told())["place"]
        async with started("hold", name, place, module=MODULE) as holding:
            await holding.told()
            return await _growth(serving, holding, count)


async def _dialed(count: int) -> float:
    async with started("lean", str(WARM + count)) as others, started("dial") as dialing:
        places = (await others.told())["places"]
        await dialing.told()
        await dialing.ask("dial", places[:WARM])
        before = await dialing.memory()
        await dialing.ask("dial", places[WARM:], within=PATIENCE + count)
        return (await dialing.memory() - before) / count / KIB


async def _growth(looked_at: Process, holding: Process, count: int) -> float:
    await holding.ask("open", WARM)
    before = await looked_at.memory()
    await holding.ask("open", count, within=PATIENCE + count)
    return (await looked_at.memory() - before) / count / KIB
