"""`macula-lab ps`, `exec` and `logs`: looking at a lab that is up."""

import os
import sys
from typing import Annotated

import typer

from macula_lab.cli.options import AsJson, EngineName, Name, Project, Topology
from macula_lab.cli.showing import show_lab
from macula_lab.engines.contract import Engine
from macula_lab.errors import LabError
from macula_lab.lab import open_lab
from macula_lab.mesh.mesh import Mesh


def ps(name: Name = "", project: Project = "", engine: EngineName = "", as_json: AsJson = False) -> None:
    """Show a lab that is up: its hosts, their addresses, the NATs, and who is connected to whom."""
    show_lab(Mesh(opened(name, project, engine)), None, as_json)


def exec_(
    service: str, argv: list[str], topology: Topology = "", project: Project = "", engine: EngineName = ""
) -> None:
    """Run a command in a service's place, for example: exec edge1 -- macula peers."""
    lab = opened(topology, project, engine, [service])
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    become(lab.interactive(service, argv[1:] if argv[0] == "--" else argv, terminal))


def logs(
    services: Annotated[list[str] | None, typer.Argument(help="default: all")] = None,
    topology: Topology = "",
    project: Project = "",
    engine: EngineName = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="until interrupted")] = False,
) -> None:
    """Show what services wrote."""
    become(opened(topology, project, engine, services or []).logs_command(services or [], follow))


def opened(topology: str, project: str, engine: str, services: list[str] | None = None) -> Engine:
    """A lab that is up, with these services. Raises LabError when it is not, or has not."""
    lab = open_lab(topology, project, engine)
    hosts = lab.hosts()
    if not hosts:
        raise LabError(f"{lab.project} is not up", f"macula-lab up {topology or lab.plan.name}")
    for service in services or []:
        if service not in hosts:
            raise LabError(f"{lab.project} has no service {service!r}", f"choose one of: {', '.join(hosts)}")
    return lab


def become(argv: list[str]) -> None:
    """Go on as another program."""
    sys.stdout.flush()
    os.execvp(argv[0], argv)  # noqa: S606 - the engine's own command
