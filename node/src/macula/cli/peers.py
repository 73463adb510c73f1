"""macula peers"""

from __future__ import annotations

import typer

from macula.cli.options import AsJson, ControlSocket
from macula.cli.output import asking, print_json

app = typer.Typer(add_completion=False)
PATIENCE = 10.0


@app.command()
def peers(as_json: AsJson = False, control_socket: ControlSocket = None) -> None:
    """Show the connected peers: path, round-trip time, routers on the way, bytes."""
    with asking(control_socket, as_json) as client:
        connected = client.request("peers", PATIENCE)
    if as_json:
        return print_json(connected)
    from macula.cli import tables

    return tables.show_peers(connected)
