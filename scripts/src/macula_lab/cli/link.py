"""`macula-lab link`: delay, jitter, loss, rate, reordering and duplication on a router's uplink while it runs."""

import json
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from macula_lab.engines.contract import Engine
from macula_lab.errors import LabError
from macula_lab.lab import open_lab
from macula_lab.router.link.spec import LinkSpec, bits

COUNTERS = ("offered", "lost", "overflowed", "duplicated", "reordered", "delivered", "missed")
WAYS = ("out", "in")


class Direction(StrEnum):
    """Which way through the uplink."""

    OUT = "out"
    IN = "in"
    BOTH = "both"

    @property
    def ways(self) -> tuple[str, ...]:
        """The directions that it names."""
        return WAYS if self is Direction.BOTH else (str(self),)


def link(
    router: Annotated[str, typer.Argument(help="default: show all routers")] = "",
    delay: Annotated[float | None, typer.Option(metavar="MS", help="each way: both add up in a round trip")] = None,
    jitter: Annotated[
        float | None, typer.Option(metavar="MS", help="the delay varies by so much, to both sides")
    ] = None,
    loss: Annotated[float | None, typer.Option(metavar="%", help="so many packets vanish")] = None,
    rate: Annotated[str | None, typer.Option(metavar="BIT/S", help="10mbit, 512kbit, ...")] = None,
    reorder: Annotated[float | None, typer.Option(metavar="%", help="so many overtake those under way")] = None,
    duplicate: Annotated[float | None, typer.Option(metavar="%", help="so many arrive twice")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="begin anew with what is drawn by chance")] = None,
    direction: Annotated[Direction, typer.Option(help="out is towards the WAN")] = Direction.BOTH,
    clear: Annotated[bool, typer.Option("--clear", help="take everything away again")] = False,
    topology: Annotated[str, typer.Option("--topology", "-t", envvar="TOPOLOGY", help="default: the one up")] = "",
    project: Annotated[str, typer.Option("--project", "-p", envvar="PROJECT", help="default: macula-NAME")] = "",
    engine: Annotated[str, typer.Option("--engine", envvar="LAB_ENGINE", help="docker or netns")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Give a router's uplink delay, loss, ... while it runs; without options, show what it has and did.

    What is asked replaces all that the direction had before. The same seed loses the same packets.
    """
    given: dict[str, Any] = {"delay": delay, "jitter": jitter, "loss": loss, "reorder": reorder, "duplicate": duplicate}
    given["rate"] = None if rate is None else bits(rate)
    parts = {key: value for key, value in given.items() if value is not None}
    asked = request(LinkSpec(**parts) if parts else None, seed, direction.ways, clear)
    lab = open_lab(topology, project, engine)
    if asked and not router:
        raise LabError("ROUTER: none is named", f"choose one of: {', '.join(shaped(lab))}")
    told = {name: ask(lab, name, asked or ["show"]) for name in ([chosen(lab, router)] if router else shaped(lab))}
    if as_json:
        print(json.dumps(told, indent=2))
        return
    out = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    out.print(table(told))
    for name, status in told.items():
        if status["problem"]:
            out.print(f"{name}: {status['problem']}", style="red", markup=False)


def request(spec: LinkSpec | None, seed: int | None, ways: Sequence[str], clear: bool) -> list[str]:
    """The words after `macula-router link` that do what the options say; empty when they ask for nothing.

    Raises LabError when the link is to be given and taken away at once.
    """
    if clear and (spec is not None or seed is not None):
        raise LabError("--clear: it takes the link away, and other options give one", "use --clear alone")
    if clear:
        spec = LinkSpec()
    if spec is None and seed is None:
        return []
    specs = [word for way in ways for word in (f"--{way}", str(spec))] if spec is not None else []
    return ["set", *specs, *(["--seed", str(seed)] if seed is not None else [])]


def shaped(lab: Engine) -> list[str]:
    """The routers that have an uplink."""
    return [router.name for router in lab.plan.routers() if router.environment.get("WAN")]


def chosen(lab: Engine, router: str) -> str:
    """That router's name. Raises LabError, naming those that there are, when it is none or has no uplink."""
    routers = shaped(lab)
    if router in routers:
        return router
    what = "has no uplink (WAN)" if router in [one.name for one in lab.plan.routers()] else "is not a router"
    there = f"choose one of: {', '.join(routers)}" if routers else "this topology has no router with an uplink"
    raise LabError(f"ROUTER: {router} {what}", there)


def ask(lab: Engine, router: str, words: Sequence[str]) -> dict[str, Any]:
    """Let a router change or tell its link. Raises LabError with what it says when it cannot."""
    ended = lab.execute(router, ["macula-router", "link", *words, "--json"])
    if ended.code != 0:
        cause, _, next_step = ended.stderr.strip().removeprefix("macula-router: ").partition("; ")
        raise LabError(f"{router}: {cause or f'its link command ended with {ended.code}'}", next_step)
    status: dict[str, Any] = json.loads(ended.stdout)
    return status


def table(told: Mapping[str, Mapping[str, Any]]) -> Table:
    """The links of routers: what is asked of each direction, and what became of the packets so far."""
    made = Table()
    for heading in ("router", "way", "link", "seed"):
        made.add_column(heading)
    for heading in COUNTERS:
        made.add_column(heading, justify="right")
    for router, status in told.items():
        for way in WAYS:
            counters = status["counters"].get(way, {})
            seed = str(status["seed"]) if counters else ""
            made.add_row(router, way, status[way], seed, *(str(counters.get(name, "")) for name in COUNTERS))
    return made
