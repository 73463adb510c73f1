"""macula pins"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from macula.cli.options import AsJson, DataDir
from macula.cli.output import print_json, reporting
from macula.config import paths

if TYPE_CHECKING:
    from pathlib import Path

    from macula.runtime.keystore import Keystore

app = typer.Typer(no_args_is_help=True, add_completion=False, help="The identities that bootstrap addresses must have.")


@app.command(name="list")
def list_pins(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Show which node must answer at each bootstrap address that was reached before."""
    with reporting(as_json):
        pins = {str(address): str(node) for address, node in _keystore(data_dir).pins().items()}
    if as_json:
        return print_json(pins)
    from macula.cli import tables

    return tables.show_rows(("address", "node id"), pins.items(), "no identity is pinned")


@app.command()
def forget(
    address: Annotated[str, typer.Argument(help="HOST:PORT, as in the bootstrap setting.")],
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Accept whoever answers next at an address. A node that is running does so after a restart."""
    from macula.core.address import Address

    with reporting(as_json):
        node = _keystore(data_dir).forget(Address.parse_endpoint(address))
    if as_json:
        return print_json({"address": address, "forgotten": None if node is None else str(node)})
    if node is None:
        return typer.echo(f"no identity was pinned for {address}")
    return typer.echo(f"forgot {node} at {address}; restart the node if it is running")


def _keystore(data_dir: Path | None) -> Keystore:
    from macula.runtime.keystore import Keystore

    return Keystore(data_dir or paths.data_dir())
