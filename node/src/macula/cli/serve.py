"""macula serve"""

from __future__ import annotations

import typer

from macula.cli.options import AsJson, ControlSocket
from macula.cli.output import asking, print_json

app = typer.Typer(add_completion=False)
PATIENCE = 60.0


@app.command()
def serve(as_json: AsJson = False, control_socket: ControlSocket = None) -> None:
    """Let the running node provide the demo procedures until this command is interrupted."""
    with asking(control_socket, as_json, "Advertising the demo procedures") as client:
        serving = client.request("serve", PATIENCE)
        if as_json:
            print_json(serving)
        else:
            typer.echo("serving until interrupted:")
            for procedure in serving["serving"]:
                typer.echo(f"  {procedure}")
            typer.echo(f"try, on any node of the realm: macula call {serving['serving'][0]} '{{\"hello\": 1}}'")
        try:
            client.wait_until_gone()
        except KeyboardInterrupt:
            return
