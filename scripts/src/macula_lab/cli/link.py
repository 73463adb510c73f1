"""`macula-lab link`: delay, jitter, loss, rate, reordering and duplication on a router's or host's uplink while it
runs."""

import json
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from macula_lab.errors import LabError
from macula_lab.events import shaping
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
    service: Annotated[str, typer.Argument(help="a router or another host; default: show all that have one")] = "",
    delay: Annotated[float | None, typer.Option(metavar="MS", help="each way: both add up in a round trip")] = None,
    jitter: Annotated[
        float | None, typer.Option(metavar="MS", help="the delay varies by so much, to both sides")
    ] = None,
    loss: Annotated[float | None, typer.Option(metavar="%", help="so many packets vanish")] = None,
    rate: Annotated[str | None, typer.Option(metavar="BIT/S", help="10mbit, 512kbit, ...")] = None,
    reorder: Annotated[float | None, typer.Option(metavar="%", help="so many overtake those under way")] = None,
    duplicate: Annotated[float | None, typer.Option(metavar="%", help="so many arrive twice")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="begin anew with what is drawn by chance")] = None,
    direction: Annotated[Direction, typer.Option(help="out is to the WAN; of a host, away from it")] = Direction.BOTH,
    clear: Annotated[bool, typer.Option("--clear", help="take everything away again")] = False,
    topology: Annotated[str, typer.Option("--topology", "-t", envvar="TOPOLOGY", help="default: the one up")] = "",
    project: Annotated[str, typer.Option("--project", "-p", envvar="PROJECT", help="default: macula-NAME")] = "",
    engine: Annotated[str, typer.Option("--engine", envvar="LAB_ENGINE", help="docker or netns")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Give the uplink of a router, or of another host, delay, loss, ... while it runs; without options, show what it
    has and did.

    What is asked replaces all that the direction had before. The same seed loses the same packets.
    """
    given: dict[str, Any] = {"delay": delay, "jitter": jitter, "loss": loss, "reorder": reorder, "duplicate": duplicate}
    given["rate"] = None if rate is None else bits(rate)
    parts = {key: value for key, value in given.items() if value is not None}
    asked = request(LinkSpec(**parts) if parts else None, seed, direction.ways, clear)
    lab = open_lab(topology, project, engine)
    if asked and not service:
        raise LabError("SERVICE: none is named", f"choose one of: {', '.join(lab.plan.services)}")
    names = [shaping.chosen(lab, service)] if service else shaping.uplinks(lab)
    told = {name: shaping.ask(lab, name, asked or ["show"]) for name in names}
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


def table(told: Mapping[str, Mapping[str, Any]]) -> Table:
    """The links: what is asked of each direction, and what became of the packets so far."""
    made = Table()
    for heading in ("service", "way", "link", "seed"):
        made.add_column(heading)
    for heading in COUNTERS:
        made.add_column(heading, justify="right")
    for service, status in told.items():
        for way in WAYS:
            counters = status["counters"].get(way, {})
            seed = str(status["seed"]) if counters else ""
            made.add_row(service, way, status[way], seed, *(str(counters.get(name, "")) for name in COUNTERS))
    return made
