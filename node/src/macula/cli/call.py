"""macula call"""

from __future__ import annotations

import json
from typing import Annotated

import typer

from macula.cli.options import AsJson, ControlSocket, parse_json
from macula.cli.output import asking, print_json

app = typer.Typer(add_completion=False)
GRACE = 5.0
"""Seconds beyond the call's own deadline for the node to say that it passed."""
LONGEST = 3600.0


@app.command()
def call(
    procedure: Annotated[str, typer.Argument(help="Its full name, such as org.example.mesh.demo.echo.")],
    args: Annotated[str, typer.Argument(help="The argument as JSON.", metavar="[JSON]")] = "{}",
    timeout: Annotated[
        float | None, typer.Option(help="Seconds until the call is given up; default: the node's call_timeout.")
    ] = None,
    to: Annotated[str | None, typer.Option(help="Call this node and no other.", metavar="NODE_ID")] = None,
    as_json: AsJson = False,
    control_socket: ControlSocket = None,
) -> None:
    """Call a procedure somewhere in the mesh and print its result."""
    value = parse_json(args, "JSON")
    patience = (LONGEST if timeout is None else timeout) + GRACE
    with asking(control_socket, as_json, f"Calling {procedure}") as client:
        report = client.request("call", patience, procedure=procedure, args=value, timeout=timeout, to=to)
    if as_json:
        return print_json(report)
    typer.echo(json.dumps(report["result"], indent=2, ensure_ascii=False))
    via = f", forwarded by {len(report['hops'])}" if report["hops"] else ""
    return typer.echo(
        f"answered by {report['provider'][:10]} in {report['latency_ms']:.1f} ms, {report['path']}{via}", err=True
    )
