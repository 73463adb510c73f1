"""macula dht"""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from macula.cli.options import AsJson, ControlSocket
from macula.cli.output import asking, print_json

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Look into the distributed hash table.")
PATIENCE = 60.0


@app.command()
def stats(as_json: AsJson = False, control_socket: ControlSocket = None) -> None:
    """Show how much of the DHT this node holds."""
    with asking(control_socket, as_json) as client:
        numbers = client.request("dht_stats", PATIENCE)
    if as_json:
        return print_json(numbers)
    from macula.cli import tables

    return tables.show_pairs(
        {
            "nodes in the routing table": numbers["nodes"],
            "buckets in use": numbers["buckets"],
            "keys stored here": numbers["stored_keys"],
        }
    )


@app.command()
def lookup(
    name: Annotated[str, typer.Argument(help="A procedure, a topic's literal prefix, or a node id.")],
    kind: Annotated[Literal["rpc", "topic", "peer"], typer.Option(help="What the name is.")] = "rpc",
    as_json: AsJson = False,
    control_socket: ControlSocket = None,
) -> None:
    """Find what stands under a name, who holds it, and which nodes are closest to its key."""
    with asking(control_socket, as_json, f"Looking up {name}") as client:
        found = client.request("dht_lookup", PATIENCE, name=name, kind=kind)
    if as_json:
        return print_json(found)
    from macula.cli import tables

    tables.show_pairs(
        {
            "key": found["key"],
            "held by": ", ".join(node[:10] for node in found["holders"]) or "nobody",
            "closest": ", ".join(node[:10] for node in found["closest"]) or "nobody",
        }
    )
    return tables.show_rows(
        ("name", "id", "address"),
        ((entry.get("name"), entry["node_id"], entry.get("address")) for entry in found["found"]),
        f"nothing stands under {name}",
    )
