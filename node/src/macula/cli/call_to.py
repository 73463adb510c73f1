"""macula call-to"""

from __future__ import annotations

from typing import Annotated

import typer

from macula.cli import series
from macula.cli.call import Stream, call
from macula.cli.options import AsJson, ControlSocket

app = typer.Typer(add_completion=False)


@app.command(name="call-to")
def call_to(
    node: Annotated[str, typer.Argument(help="The node to call: its id, or a connected peer's name.", metavar="NODE")],
    procedure: Annotated[str, typer.Argument(help="Its full name, such as org.example.mesh.demo.echo.")],
    args: Annotated[str, typer.Argument(help="The argument as JSON.", metavar="[JSON]")] = "{}",
    timeout: Annotated[
        float | None, typer.Option(help="Seconds until the call is given up; default: the node's call_timeout.")
    ] = None,
    stream: Stream = False,
    count: series.Count = 1,
    interval: series.Interval = 0.1,
    at_once: series.AtOnce = 1,
    numbered: series.Numbered = False,
    as_json: AsJson = False,
    control_socket: ControlSocket = None,
) -> None:
    """Call a procedure of one node: as `macula call --to`."""
    call(procedure, args, timeout, node, stream, count, interval, at_once, numbered, as_json, control_socket)
