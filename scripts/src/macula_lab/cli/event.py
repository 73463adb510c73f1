"""`macula-lab event`: something happens to a host or a network while the topology runs."""

import json
from typing import Annotated

import typer

from macula_lab.cli.options import AsJson, EngineName, Project, Topology
from macula_lab.events.perform import event as event_of
from macula_lab.events.perform import perform, table
from macula_lab.lab import open_lab


def event(
    kind: Annotated[str, typer.Argument(metavar="EVENT", help="none: list them")] = "",
    target: Annotated[str, typer.Argument(help="a service or a network")] = "",
    arguments: Annotated[list[str] | None, typer.Argument(metavar="ARG", help="a network, an address")] = None,
    topology: Topology = "",
    project: Project = "",
    engine: EngineName = "",
    as_json: AsJson = False,
) -> None:
    """Make something happen (nat-reboot, roam, kill, ...) and tell what changed; alone, list what can happen."""
    if not kind:
        print(table())
        return
    asked = event_of(kind, target, arguments or [])
    happened = perform(open_lab(topology, project, engine), asked)
    print(json.dumps(happened.to_json(), indent=2) if as_json else "\n".join(happened.changes))
