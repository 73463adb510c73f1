"""The command line of the lab; the Makefile calls it."""

import sys

import typer
from docker.errors import DockerException
from rich.console import Console

from macula_lab import machine
from macula_lab.cli.ending import clean, down, stop_engine
from macula_lab.cli.event import event
from macula_lab.cli.evidence import capture, evidence, why
from macula_lab.cli.faults import faults
from macula_lab.cli.link import link
from macula_lab.cli.looking import exec_, logs, ps
from macula_lab.cli.matrix import matrix, scenario
from macula_lab.cli.recovery import recovery
from macula_lab.cli.selfcheck import selfcheck
from macula_lab.cli.up import up
from macula_lab.composefile.plan import NODE_IMAGE, ROUTER_IMAGE
from macula_lab.engines.docker import images
from macula_lab.errors import LabError
from macula_lab.lab import DOCKER
from macula_lab.report import Reporter

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
engine_app = typer.Typer(no_args_is_help=True, help="The Docker engine of this machine.")

app.command()(up)
app.command()(ps)
app.command(name="exec", context_settings={"allow_interspersed_args": False})(exec_)
app.command()(logs)
app.command()(event)
app.command()(link)
app.add_typer(capture, name="capture")
app.command()(evidence)
app.command()(why)
app.command()(selfcheck)
app.command()(matrix)
app.command()(scenario)
app.command()(recovery)
app.command()(faults)
app.command()(down)
app.command()(clean)
app.add_typer(engine_app, name="engine")


@app.command()
def build() -> None:
    """Make the images, and the Docker engine if there is none."""
    report = Reporter()
    machine.ensure(DOCKER, report)
    images.build(report, [ROUTER_IMAGE, NODE_IMAGE])


@engine_app.command(name="start")
def engine_start() -> None:
    """Make sure that an engine answers: install it and start it where that is needed and possible."""
    machine.ensure(DOCKER, Reporter())


@engine_app.command(name="stop")
def engine_stop() -> None:
    """Stop the engine if the lab started it."""
    stop_engine(Reporter())


def main() -> None:
    """The entry point: a failure is told in words, with exit code 1; Ctrl-C ends with 130."""
    try:
        app()
    except LabError as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"error: {error}", style="red", markup=False)
        sys.exit(1)
    except DockerException as error:
        Console(stderr=True).print(f"error: the Docker engine refused: {error}", style="red", markup=False)
        sys.exit(1)
