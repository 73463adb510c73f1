"""The command line of the lab; the Makefile calls it."""

import json
import os
import shutil
import sys
from typing import Annotated

import typer
from docker.errors import DockerException
from rich.console import Console

from macula_lab.engines.docker import command as compose
from macula_lab.engines.docker import daemon as engine
from macula_lab.engines.docker import images
from macula_lab.errors import LabError
from macula_lab.mesh.models import Member, Proof
from macula_lab.mesh.proof import prove
from macula_lab.mesh.render import members_table, proof_lines, settings, try_next
from macula_lab.report import Reporter
from macula_lab.topology import ROUTER, Topology, require_known
from macula_lab.workspace import COMPOSE, STATE, WHEELHOUSE

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
engine_app = typer.Typer(no_args_is_help=True, help="The Docker engine of this machine.")
app.add_typer(engine_app, name="engine")

Name = Annotated[str, typer.Argument(envvar="TOPOLOGY", help="compose/NAME.yaml")]
NameOption = Annotated[str, typer.Option("--topology", "-t", envvar="TOPOLOGY", help="compose/NAME.yaml")]
Project = Annotated[str, typer.Option("--project", "-p", envvar="PROJECT", help="default: macula-NAME")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON, progress on stderr")]

out = Console(highlight=False, width=None if sys.stdout.isatty() else 120)


def prepare(report: Reporter) -> tuple[str, ...]:
    """Everything a topology needs on this machine: engine, compose command, images. Gives the compose command."""
    engine.ensure(report)
    command = compose.ensure(report)
    images.build(report)
    return command


@app.command()
def up(name: Name = "mesh", project: Project = "", as_json: AsJson = False) -> None:
    """Bring a topology up, wait until the mesh is complete, show it and prove it with a call and an event."""
    require_known(name)
    report = Reporter()
    topology = Topology(name, prepare(report), project, network())
    with report.step(f"Starting {topology.file.relative_to(COMPOSE.parent)} as {topology.project}") as show:
        topology.up(show)
    with report.step("Waiting until every node is ready and knows every other"):
        topology.wait_ready()
    with report.step("Calling and publishing from one edge to another"):
        proof = prove(topology)
    show_members(topology, topology.members(), proof, as_json)


@app.command()
def ps(name: Name = "mesh", project: Project = "", as_json: AsJson = False) -> None:
    """Show a topology that is up."""
    topology = running(name, project)
    require_up(topology)
    show_members(topology, topology.members(), None, as_json)


@app.command()
def logs(
    services: Annotated[list[str] | None, typer.Argument(help="default: all")] = None,
    name: NameOption = "mesh",
    project: Project = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="until interrupted")] = False,
) -> None:
    """Show what the containers wrote."""
    topology = running(name, project)
    require_up(topology)
    command = [*topology.compose, "-p", topology.project, "-f", str(topology.file), "logs", "--tail=200"]
    if not sys.stdout.isatty():
        command.append("--no-color")
    os.execvp(command[0], [*command, *(["-f"] if follow else []), *(services or [])])  # noqa: S606


@app.command(name="exec", context_settings={"allow_interspersed_args": False})
def exec_(service: str, argv: list[str], name: NameOption = "mesh", project: Project = "") -> None:
    """Run a command in a container, for example: exec edge1 macula peers."""
    container = running(name, project).container(service)
    terminal = ["-it"] if sys.stdin.isatty() and sys.stdout.isatty() else []
    command = ["docker", "exec", *terminal, str(container.id), *(argv[1:] if argv[0] == "--" else argv)]
    os.execvp(command[0], command)  # noqa: S606


@app.command()
def down(name: Name = "mesh", project: Project = "") -> None:
    """Stop and remove a topology's containers and networks."""
    if not engine.answers():
        return
    topology = running(name, project)
    with Reporter().step(f"Removing {topology.project}") as show:
        topology.down(show)


@app.command()
def build() -> None:
    """Make the images, and the engine if there is none."""
    prepare(Reporter())


@app.command()
def clean() -> None:
    """Remove all that the lab made (containers, networks, images, wheels, logs) and stop the engine it started."""
    report = Reporter()
    if engine.answers():
        with report.step("Removing containers, networks and images"):
            images.remove_all(engine.client())
    stop(report)
    shutil.rmtree(WHEELHOUSE, ignore_errors=True)
    shutil.rmtree(STATE, ignore_errors=True)


@engine_app.command(name="start")
def engine_start() -> None:
    """Make sure that an engine answers: install it and start it where that is needed and possible."""
    engine.ensure(Reporter())


@engine_app.command(name="stop")
def engine_stop() -> None:
    """Stop the engine if the lab started it."""
    stop(Reporter())


def stop(report: Reporter) -> None:
    """Stop the engine if the lab started it, and say whether it did."""
    report.say("stopped the Docker engine that was started here" if engine.stop() else "no Docker engine of ours runs")


def running(name: str, project: str) -> Topology:
    """A topology on an engine that is there already: questions start nothing."""
    command = compose.find(os.environ, compose.answers)
    if command is None:
        raise LabError("there is no compose command", compose.INSTALL)
    return Topology(name, command, project, network())


def require_up(topology: Topology) -> None:
    """Raise LabError when a topology has no container."""
    if not topology.containers():
        raise LabError(f"{topology.project} is not up", f"make up{settings(topology.name, topology.project)}")


def network() -> str:
    """The first two octets of the addresses, if they are not to be the compose file's own."""
    return os.environ.get("LAB_NETWORK", "")


def show_members(topology: Topology, members: list[Member], proof: Proof | None, as_json: bool) -> None:
    """The answer of `up` and `ps`."""
    if as_json:
        answer = {
            "topology": topology.name,
            "project": topology.project,
            "nodes": [member.model_dump(mode="json") for member in members],
            "proof": proof.model_dump(mode="json") if proof else None,
        }
        print(json.dumps(answer, indent=2))
        return
    out.print(members_table(topology.project, members))
    if proof:
        out.print(proof_lines(proof))
    node = next((member for member in reversed(members) if member.role != ROUTER and member.status), None)
    if proof and node and node.status:
        out.print(try_next(topology.name, topology.project, node.service, node.status.realms[0]))


def main() -> None:
    """The entry point: a failure is told in words, with exit code 1."""
    try:
        app()
    except LabError as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"error: {error}", style="red", markup=False)
        sys.exit(1)
    except DockerException as error:
        Console(stderr=True).print(f"error: the Docker engine refused: {error}", style="red", markup=False)
        sys.exit(1)
