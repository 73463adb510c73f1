"""The check at every start: each router is the NAT that it is called, or the lab says what it is instead."""

import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor

from macula_lab.composefile.plan import Service
from macula_lab.engines.contract import Engine, Helper
from macula_lab.errors import LabError
from macula_lab.process import ignore
from macula_lab.router.config import from_environment
from macula_lab.selfcheck import prober
from macula_lab.selfcheck.routers import command, without_link
from macula_lab.selfcheck.sites import Site, sites
from macula_lab.selfcheck.verdict import Verdict

UP = "macula-router: up"
START_PATIENCE = 15.0
"""seconds for a router to have become what its environment says"""


def check_routers(
    engine: Engine, show: Callable[[str], None] = ignore, only: Collection[str] | None = None
) -> list[Verdict]:
    """Look at every router that has a WAN (or those of them in `only`), all at the same time, and tell each in a line.

    A router is rebooted afterwards, and its link is left out meanwhile. What is wrong is looked at twice.
    Raises LabError naming each router that is not the NAT it is called, with what was expected and what was seen.
    """
    names = [router.name for router in engine.plan.routers()] if only is None else only
    fronts, places = sites(engine.plan, engine.hosts(), names)
    routers = {place.router.name: place.router for place in places}
    verdicts: list[Verdict] = []
    with prober.helpers(engine, fronts, places) as probers, ThreadPoolExecutor(len(routers) or 1) as pool:
        running = [
            pool.submit(_check, engine, router, [place for place in places if place.router is router], probers)
            for router in routers.values()
        ]
        for one in running:
            for verdict in one.result():
                show(verdict.line())
                verdicts.append(verdict)
    wrong = [verdict for verdict in verdicts if not verdict.ok]
    if wrong:
        raise refusal(wrong)
    return verdicts


def refusal(wrong: Sequence[Verdict]) -> LabError:
    """The error for routers that are not the NATs they are called."""
    names = list(dict.fromkeys(verdict.router for verdict in wrong))
    causes = [
        f"{one.router} is not {one.called} (services.{one.router}.environment.NAT), seen from {one.network}: "
        + "; ".join(map(str, one.mismatches))
        for one in wrong
    ]
    looks = "\n".join(f"macula-lab exec {name} macula-router show" for name in names)
    return LabError("\n".join(causes), f"see which rules its NAT has, and what they counted:\n{looks}")


def _check(engine: Engine, router: Service, places: Sequence[Site], probers: dict[str, Helper]) -> list[Verdict]:
    nat = from_environment(router.environment).nat
    _wait_until_up(engine, router.name)

    def reboot() -> None:
        command(engine, router.name, "reboot")

    verdicts = []
    with without_link(engine, router):
        for place in places:
            verdict = prober.examine(probers[place.name], place, nat, reboot)
            if not verdict.ok:
                verdict = prober.examine(probers[place.name], place, nat, reboot)
            verdicts.append(verdict.of(router.environment["NAT"]))
    return verdicts


def _wait_until_up(engine: Engine, router: str) -> None:
    deadline = time.monotonic() + START_PATIENCE
    while UP not in (written := engine.logs(router, tail=20)):
        if time.monotonic() > deadline or not engine.hosts()[router].running:
            raise LabError(f"{router} did not come up", f"macula-lab logs {router}", written)
        time.sleep(0.02)
