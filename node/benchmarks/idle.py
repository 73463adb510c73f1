"""What a relay's memory is with 1000 idle clients, their connections included."""

from __future__ import annotations

from benchmarks.measuring import Effort
from benchmarks.processes import PATIENCE, started
from benchmarks.results import Goal, Result, figure

CLIENTS = 1000
GOAL = Goal(200, at_most=True)


async def run(effort: Effort) -> Result:
    """One relay, and its clients in one other process. The rounds of an effort do not matter: memory only grows."""
    clients = effort.units(CLIENTS)
    async with started("relay") as relay:
        place = (await relay.told())["place"]
        before = await relay.memory()
        async with started("crowd", place, str(clients)) as crowd:
            await crowd.told(within=PATIENCE + clients)
            sessions, after = (await relay.ask())["sessions"], await relay.memory()
    if sessions != clients:
        raise RuntimeError(f"{sessions} of {clients} clients have a session")
    return Result(
        "idle",
        (
            figure("relay without clients", "MB", [before / 1e6]),
            figure(f"relay with {clients} idle clients", "MB", [after / 1e6], GOAL),
            figure("for one client", "KB", [(after - before) / clients / 1e3]),
        ),
    )
