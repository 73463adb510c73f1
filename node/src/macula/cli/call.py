"""macula call"""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from macula.cli import series
from macula.cli.options import AsJson, ControlSocket, parse_json
from macula.cli.output import asking, connect, print_json, reporting

app = typer.Typer(add_completion=False)
GRACE = 5.0
"""Seconds beyond the call's own deadline for the node to say that it passed."""
LONGEST = 3600.0

Stream = Annotated[
    bool, typer.Option("--stream", help="Print results as they come, a line of JSON each; --timeout is for each.")
]


@app.command()
def call(
    procedure: Annotated[str, typer.Argument(help="Its full name, such as org.example.mesh.demo.echo.")],
    args: Annotated[str, typer.Argument(help="The argument as JSON.", metavar="[JSON]")] = "{}",
    timeout: Annotated[
        float | None, typer.Option(help="Seconds until the call is given up; default: the node's call_timeout.")
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(help="Call this node only: its id, or a connected peer's name.", metavar="NODE"),
    ] = None,
    stream: Stream = False,
    count: series.Count = 1,
    interval: series.Interval = 0.1,
    at_once: series.AtOnce = 1,
    numbered: series.Numbered = False,
    as_json: AsJson = False,
    control_socket: ControlSocket = None,
) -> None:
    """Call a procedure somewhere in the mesh and print its result; with --count, how the answers change."""
    value = parse_json(args, "JSON")
    patience = (LONGEST if timeout is None else timeout) + GRACE

    def ask(number: int = 1) -> dict[str, Any]:
        with connect(control_socket, as_json, f"Calling {procedure}") as client:
            report: dict[str, Any] = client.request(
                "call", patience, procedure=procedure, args=number if numbered else value, timeout=timeout, to=to
            )
        return report

    if stream:
        if count > 1:
            raise typer.BadParameter("does not go with --stream", param_hint="--count")
        with asking(control_socket, as_json, f"Calling {procedure}") as client:
            for item in client.items("call_stream", procedure=procedure, args=value, timeout=timeout, to=to):
                print_json(item)
        return None
    with reporting(as_json):
        if count > 1:
            return series.tell(series.ask_in_turn(count, interval, ask, at_once), as_json, _changed)
        report = ask()
    if as_json:
        return print_json(report)
    typer.echo(json.dumps(report["result"], indent=2, ensure_ascii=False))
    return typer.echo(_answered(report), err=True)


def _changed(turn: series.Turn, before: series.Turn | None) -> str | None:
    if before is not None and turn.report["path"] == before.report["path"]:
        return None
    return _answered(turn.report)


def _answered(report: dict[str, Any]) -> str:
    via = f", forwarded by {len(report['hops'])}" if report["hops"] else ""
    return f"answered by {report['provider'][:10]} in {report['latency_ms']:.1f} ms, {report['path']}{via}"
