"""`macula-lab capture`, `evidence` and `why`: what happened to the packets."""

import json
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from macula_lab.cli.options import AsJson, EngineName, Project, Topology
from macula_lab.errors import LabError
from macula_lab.evidence import capture as captures
from macula_lab.evidence import telling
from macula_lab.evidence.live import ask
from macula_lab.lab import open_lab
from macula_lab.report import Reporter
from macula_lab.workspace import state_file

Routers = Annotated[list[str] | None, typer.Argument(metavar="ROUTER", help="default: all")]

capture = typer.Typer(no_args_is_help=True, help="Packets on both sides of every router, until stopped.")


@capture.command()
def start(names: Routers = None, topology: Topology = "", project: Project = "", engine: EngineName = "") -> None:
    """Begin to capture on every interface of the routers, into rings of bounded size."""
    for tap in captures.start(open_lab(topology, project, engine), names or []):
        print(f"{tap.router}: {tap.network} ({tap.interface})")


@capture.command()
def stop(names: Routers = None, topology: Topology = "", project: Project = "", engine: EngineName = "") -> None:
    """End the captures and keep them; `macula-lab evidence` shows them."""
    for one in captures.stop(open_lab(topology, project, engine), names or []):
        print(one.file)


def evidence(
    out: Annotated[Path | None, typer.Option("--out", "-o", help="the folder; it must be empty or not there")] = None,
    topology: Topology = "",
    project: Project = "",
    engine: EngineName = "",
    as_json: AsJson = False,
) -> None:
    """Put everything that explains what happened into one folder with one page, and print the page's path."""
    # The page needs a template engine, which no other command has to wait for.
    from macula_lab.evidence.collect import write
    from macula_lab.evidence.model import to_json

    lab = open_lab(topology, project, engine)
    if not lab.hosts():
        raise LabError(f"{lab.project} is not up", f"macula-lab up {lab.plan.name}")
    folder = out or state_file(f"evidence/{time.strftime('%Y%m%d-%H%M%S')}-{lab.project}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise LabError(f"--out: {folder} is there already, and not empty", "name a new folder")
    with Reporter().step(f"Gathering the evidence of {lab.project}"):
        found = write(lab, folder)
    print(json.dumps(to_json(found), indent=2) if as_json else folder / "index.html")


def why(
    a: Annotated[str, typer.Argument(metavar="A", help="a service")],
    b: Annotated[str, typer.Argument(metavar="B", help="another one")],
    topology: Topology = "",
    project: Project = "",
    engine: EngineName = "",
    as_json: AsJson = False,
) -> None:
    """Explain from the routers' own counters what happened to the packets between two services."""
    answer = ask(open_lab(topology, project, engine), a, b)
    if as_json:
        print(json.dumps(telling.to_json(answer), indent=2))
    else:
        Console(highlight=False, width=None if sys.stdout.isatty() else 180).print(telling.tree(answer))
