"""macula id"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from macula.cli.client import NoNode
from macula.cli.options import AsJson, ControlSocket
from macula.cli.output import connect, print_json, reporting

app = typer.Typer(add_completion=False)
PATIENCE = 10.0


@app.command(name="id")
def show_id(
    create: Annotated[bool, typer.Option("--create", help="Make one, if the node was never started.")] = False,
    as_json: AsJson = False,
    control_socket: ControlSocket = None,
) -> None:
    """Show the identity of the node that runs here; of one that is stopped, from its data directory."""
    with reporting(as_json):
        try:
            with connect(control_socket, as_json, "Waiting for the node") as client:
                identity = client.request("id", PATIENCE)
        except NoNode:
            kept = None if control_socket else _kept_identity(create)
            if kept is None:
                raise
            identity = kept
    if as_json:
        return print_json(identity)
    from macula.cli import tables

    return tables.show_pairs(
        {"node id": identity["node_id"], "DID": identity["did"], "public key": identity["public_key"]}
    )


def _kept_identity(create: bool) -> dict[str, Any] | None:
    from macula.config import Settings
    from macula.runtime.control_commands import id_fields
    from macula.runtime.keystore import Keystore

    settings = Settings()
    keystore = Keystore(settings.data_dir, settings.tls_key)
    identity = keystore.load_or_create_identity() if create else keystore.load_identity()
    return None if identity is None else id_fields(identity.node_id, settings.realm)
