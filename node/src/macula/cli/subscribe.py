"""macula subscribe"""

from __future__ import annotations

import json
import time
from typing import Annotated, Any

import typer

from macula.cli.client import ControlClient, Refused
from macula.cli.options import AsJson, ControlSocket
from macula.cli.output import asking, print_json

app = typer.Typer(add_completion=False)
PATIENCE = 60.0


@app.command()
def subscribe(
    pattern: Annotated[str, typer.Argument(help="A topic; * stands for one segment, ** for any number.")],
    count: Annotated[int | None, typer.Option(min=1, help="End after so many events.")] = None,
    timeout: Annotated[
        float | None, typer.Option(help="End after so many seconds; with --count, too few events are then an error.")
    ] = None,
    as_json: AsJson = False,
    control_socket: ControlSocket = None,
) -> None:
    """Print the events of a topic or pattern, one a line, until interrupted."""
    with asking(control_socket, as_json, f"Subscribing to {pattern}") as client:
        subscribed = client.request("subscribe", PATIENCE, pattern=pattern)
        if as_json:
            print_json(subscribed)
        else:
            typer.echo(f"subscribed to {pattern}", err=True)
        try:
            _print_events(client, count, timeout, as_json)
        except KeyboardInterrupt:
            return


def _print_events(client: ControlClient, count: int | None, timeout: float | None, as_json: bool) -> None:
    deadline = None if timeout is None else time.monotonic() + timeout
    seen = 0
    while count is None or seen < count:
        try:
            event = client.event(None if deadline is None else deadline - time.monotonic())
        except TimeoutError:
            if count is None:
                return
            message = f"{seen} of {count} events came within {timeout:g} s"
            raise Refused({"code": "timeout", "message": message}) from None
        seen += 1
        if as_json:
            print_json(event)
        else:
            _print_event(event)


def _print_event(event: dict[str, Any]) -> None:
    if event["missed"]:
        typer.echo(f"({event['missed']} events of {event['publisher'][:10]} were lost)", err=True)
    payload = json.dumps(event["payload"], ensure_ascii=False)
    typer.echo(f"{event['topic']}  {payload}  from {event['publisher'][:10]} #{event['sequence']}")
