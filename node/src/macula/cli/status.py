"""macula status"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

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
            "NAT": state["nat"] or "not known yet",
            "relays": _relays(state["relays"]),
            **_certificate(state["certificate_s"]),
            "up for": tables.duration(state["uptime_s"]),
            "version": f"{state['version']} {state['commit'] or ''}".strip(),
            "DHT": f"{dht['nodes']} nodes in {dht['buckets']} buckets, {dht['stored_keys']} keys stored here",
            "connections": f"{pool['size']} open, {pool['hit_rate']:.0%} of {uses} uses found one",
            "provides": ", ".join(state["procedures"]) or "nothing",
            "subscribes": ", ".join(state["subscriptions"]) or "nothing",
        }
    )
    tables.show_rows(("reaching peers", "so far"), _reaching(state), "")
    return tables.show_peers(state["peers"])


def _certificate(left: float | None) -> dict[str, str]:
    """CA mode only: until when this node's certificate is good."""
    if left is None:
        return {}
    from macula.cli import tables

    return {"certificate": f"good for {tables.duration(left)}" if left > 0 else f"ended {tables.duration(-left)} ago"}


def _relays(relays: Sequence[Mapping[str, str]]) -> str:
    """Through whom others reach this node."""
    return ", ".join(relay["name"] or relay["short_id"] for relay in relays) or "not needed, or none"


def _reaching(state: Mapping[str, Any]) -> list[tuple[str, str]]:
    """How peers were reached since the node started."""
    counts = state["reaching"]
    punches, to_direct = counts["punches"], counts["time_to_direct_ms"]
    return [
        ("hole punching", f"{punches['succeeded'] + punches['failed']} attempts, {punches['succeeded']} succeeded"),
        ("time to direct", "none became so" if to_direct is None else f"{to_direct:.0f} ms on average"),
        ("fell back to a relay", f"{counts['fell_back']} connections"),
        ("moved to another relay", f"{counts['relay_failovers']} connections"),
        ("relayed for others", _relaying(state["relaying"])),
    ]


def _relaying(counts: Mapping[str, Any]) -> str:
    """What the node does as a relay."""
    from macula.cli import tables

    dropped = sum(counts["dropped"].values())
    forwarded = f"{tables.size(counts['bytes'])} in {counts['datagrams']} datagrams"
    return f"{forwarded}, {dropped} dropped; {counts['sessions']} nodes now"
