"""macula nat"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from macula.cli.options import AsJson, ControlSocket
from macula.cli.output import asking, print_json

app = typer.Typer(add_completion=False)
PATIENCE = 120.0

MAPPINGS = {
    "eim": "one outside port for everybody (endpoint-independent)",
    "adm": "an outside port for each address (address-dependent)",
    "apdm": "an outside port for each address and port (address and port-dependent)",
}
FILTERINGS = {
    "eif": "everybody gets in (endpoint-independent)",
    "adf": "addresses that were sent to get in (address-dependent)",
    "apdf": "addresses and ports that were sent to get in (address and port-dependent)",
}
PORTS = {
    "preserve": "kept where they are free",
    "random": "drawn at random",
    "sequential": "counted up",
    "block": "drawn from a block",
}
STRANGERS = {"drop": "leave no trace", "accept": "take the port that an answer to them would leave from"}


@app.command()
def nat(
    refresh: Annotated[bool, typer.Option("--refresh", help="Measure again.")] = False,
    as_json: AsJson = False,
    control_socket: ControlSocket = None,
) -> None:
    """Show what NAT the node is behind: its kind, the public address, what it lets in."""
    with asking(control_socket, as_json, "Asking observers") as client:
        info = client.request("nat", PATIENCE, refresh=refresh)
    if as_json:
        return print_json(info)
    from macula.cli import tables

    if info["type"] == "blocked":
        return tables.show_pairs({"type": "blocked: no UDP leaves this network", "note": info["note"]})
    shown = {
        "type": _type(info),
        "public address": _address(info),
        "mapping": _known(MAPPINGS.get(info["mapping"])),
        "filtering": _known(FILTERINGS.get(info["filtering"])),
        "ports": _ports(info),
        "strangers": STRANGERS.get(info["input"]),
        "hairpin": {True: "yes", False: "no", None: "" if info["translated"] is False else "unknown"}[info["hairpin"]],
        "idle mappings": _lifetime(info),
        "told by": ", ".join(info["observers"]) or "nobody",
        "note": info["note"],
    }
    return tables.show_pairs({name: value for name, value in shown.items() if value})


def _known(text: str | None) -> str:
    return text or "unknown"


def _type(info: dict[str, Any]) -> str:
    kind: str = info["type"]
    name = info["name"]
    return f"{kind} ({name})" if name and name != kind else kind


def _address(info: dict[str, Any]) -> str:
    if info["public_ip"] is None:
        return "unknown"
    host = f"[{info['public_ip']}]" if ":" in info["public_ip"] else info["public_ip"]
    return f"{host}:{info['public_port']}" + (", this host's own" if info["translated"] is False else "")


def _ports(info: dict[str, Any]) -> str:
    told = _known(PORTS.get(info["ports"]))
    if info["delta"] is not None:
        told += f", {info['delta']} at a time"
    if info["block"] is not None:
        told += f", seen {info['block'][0]} to {info['block'][1]}"
    return told


def _lifetime(info: dict[str, Any]) -> str:
    at_least, below = info["lifetime_s"]["at_least"], info["lifetime_s"]["below"]
    alive = [f"alive after {at_least:g} s"] if at_least else []
    gone = [f"gone after {below:g} s"] if below else []
    return ", ".join(alive + gone)
