"""macula serve"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from macula.cli.client import NoNode, Refused
from macula.cli.options import AsJson, ControlSocket
from macula.cli.output import asking, print_json, reporting

app = typer.Typer(add_completion=False)
PATIENCE = 60.0


@app.command()
def serve(
    procedure: Annotated[
        str | None, typer.Argument(help="What to provide; default: the demo procedures.", show_default=False)
    ] = None,
    command: Annotated[
        str | None,
        typer.Option(
            "--exec",
            metavar="COMMAND",
            help="A shell command that is run for each call: the argument as JSON on its standard input, the result as "
            "JSON on its standard output; its failure is the caller's error. MACULA_CALL_CALLER says who calls.",
            show_default=False,
        ),
    ] = None,
    at_once: Annotated[int, typer.Option(min=1, max=256, help="Most commands that run at a time.")] = 8,
    as_json: AsJson = False,
    control_socket: ControlSocket = None,
) -> None:
    """Let the running node provide a procedure by a command, or the demo procedures, until interrupted."""
    if (procedure is None) != (command is None):
        raise typer.BadParameter("needs --exec COMMAND, and --exec a procedure's name", param_hint="PROCEDURE")
    if procedure is not None and command is not None:
        _execute(procedure, command, at_once, as_json, control_socket)
    else:
        _demo(as_json, control_socket)


def _demo(as_json: bool, control_socket: Path | None) -> None:
    with asking(control_socket, as_json, "Advertising the demo procedures") as client:
        _tell(client.request("serve", PATIENCE)["serving"], as_json)
        try:
            client.wait_until_gone()
        except KeyboardInterrupt:
            return


def _execute(procedure: str, command: str, at_once: int, as_json: bool, control_socket: Path | None) -> None:
    from macula.cli.executing import Executor
    from macula.config import paths

    def show(line: str) -> None:
        typer.echo(line, err=True)

    async def run() -> None:
        executor = Executor(procedure, command, at_once, show)
        try:
            await executor.serve(control_socket or paths.control_socket(), lambda: _tell([procedure], as_json))
        except* (Refused, NoNode) as errors:
            raise errors.exceptions[0] from None

    with reporting(as_json):
        try:
            asyncio.run(run())
        except KeyboardInterrupt:
            return


def _tell(procedures: list[str], as_json: bool) -> None:
    if as_json:
        return print_json({"serving": procedures})
    typer.echo("serving until interrupted:")
    for procedure in procedures:
        typer.echo(f"  {procedure}")
    return typer.echo(f"try, on any node of the realm: macula call {procedures[0]} '{{\"hello\": 1}}'")
