"""macula status"""

from __future__ import annotations

import typer

from macula.cli.options import AsJson, ControlSocket
from macula.cli.output import asking, print_json

app = typer.Typer(add_completion=False)
PATIENCE = 10.0


@app.command()
def status(as_json: AsJson = False, control_socket: ControlSocket = None) -> None:
    """Show the node that runs here: who it is, what it offers, the DHT, its peers."""
    with asking(control_socket, as_json) as client:
        state = client.request("status", PATIENCE)
    if as_json:
        return print_json(state)
    from macula.cli import tables

    dht, pool = state["dht"], state["pool"]
    uses = pool["hits"] + pool["misses"]
    tables.show_pairs(
        {
            "node": f"{state['name']} ({state['mode']}), {'ready' if state['ready'] else 'not ready yet'}",
            "id": state["node_id"],
            "realms": ", ".join(state["realms"]),
            "listens on": f"{state['listen']}/udp, reached at {', '.join(state['addresses']) or 'no address'}",
            "up for": tables.duration(state["uptime_s"]),
            "version": f"{state['version']} {state['commit'] or ''}".strip(),
            "DHT": f"{dht['nodes']} nodes in {dht['buckets']} buckets, {dht['stored_keys']} keys stored here",
            "connections": f"{pool['size']} open, {pool['hit_rate']:.0%} of {uses} uses found one",
            "provides": ", ".join(state["procedures"]) or "nothing",
            "subscribes": ", ".join(state["subscriptions"]) or "nothing",
        }
    )
    return tables.show_peers(state["peers"])
