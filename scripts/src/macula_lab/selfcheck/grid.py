"""The whole grid on compose/selfcheck.yaml: each NAT is built, classified by a prober, and compared with its name."""

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from macula_lab.engines.contract import Engine, Helper
from macula_lab.probe.checks import Check
from macula_lab.selfcheck import accounting, prober
from macula_lab.selfcheck.cells import Cell
from macula_lab.selfcheck.routers import command
from macula_lab.selfcheck.sites import Front, Site, sites
from macula_lab.selfcheck.verdict import Verdict

HOME, CARRIER = "home", "cgn"
"""the two routers in a row"""


@dataclass(frozen=True, slots=True)
class Row:
    """A cell, and what was seen in it."""

    cell: Cell
    verdict: Verdict
    seconds: float
    """that building and looking took"""

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        told = {"group": self.cell.group, "checks": sorted(self.cell.checks), **self.verdict.plain()}
        return told | {"seconds": round(self.seconds, 3)}


def run(engine: Engine, cells: Sequence[Cell], show: Callable[[Row], None]) -> list[Row]:
    """Try the cells on the routers of compose/selfcheck.yaml, which run; gives the rows in the order of the cells.

    What the router itself tells must agree, where it has not forgotten it and there is no second NAT.
    `show` gets each row when it is done. What is wrong is tried twice. Raises LabError for what cannot be tried.
    """
    front, places = _places(engine)
    done: dict[Cell, Row] = {}
    turn = threading.Lock()
    double, single = (deque(cell for cell in cells if bool(cell.outer) is two) for two in (True, False))
    with prober.helpers(engine, [front], places) as probers:

        def work(place: Site, waiting: deque[Cell]) -> None:
            try:
                while waiting:
                    cell = waiting.popleft()
                    row = _row(engine, probers[place.name], place, cell)
                    with turn:
                        done[cell] = row
                        show(row)
            except IndexError:
                return  # another one took the last
            except BaseException:
                waiting.clear()
                raise

        with ThreadPoolExecutor(len(places)) as pool:
            running = [pool.submit(work, place, double if place.router.name == HOME else single) for place in places]
            try:
                for one in running:
                    one.result()
            finally:
                double.clear()
                single.clear()
    return [done[cell] for cell in cells]


def _row(engine: Engine, helper: Helper, place: Site, cell: Cell) -> Row:
    started = time.monotonic()
    verdict = _look(engine, helper, place, cell)
    if not verdict.ok:
        verdict = _look(engine, helper, place, cell)
    return Row(cell, verdict.of(cell.title), time.monotonic() - started)


def _look(engine: Engine, helper: Helper, place: Site, cell: Cell) -> Verdict:
    if cell.outer:
        command(engine, CARRIER, "apply", "--nat", cell.outer)
    command(engine, place.router.name, "apply", "--nat", cell.called)
    verdict = prober.look(helper, place, cell.nat, cell.checks)
    if cell.outer or Check.IDLE in cell.checks:
        return verdict
    shown = json.loads(command(engine, place.router.name, "show", "--json"))
    untold = accounting.mismatches(cell.nat, verdict.evidence, shown)
    return replace(verdict, mismatches=[*verdict.mismatches, *untold])


def _places(engine: Engine) -> tuple[Front, list[Site]]:
    """The server, and the probers: one behind each router, but of the two in a row behind the inner one only."""
    plan, hosts = engine.plan, engine.hosts()
    alone = [router.name for router in plan.routers() if router.name not in (HOME, CARRIER)]
    [front], places = sites(plan, hosts, alone)
    _, [home] = sites(plan, hosts, [HOME])
    carrier = hosts[CARRIER].addresses[front.network]
    beyond = {home.wan: carrier, plan.networks[home.network].subnet: carrier}
    home = replace(home, wan=plan.networks[front.network].subnet, server=front.addresses[0])
    return replace(front, routes={**front.routes, **beyond}), [*places, home]
