"""macula why"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from macula.cli.options import AsJson, ControlSocket
from macula.cli.output import asking, print_json

app = typer.Typer(add_completion=False)
PATIENCE = 10.0
_NEWEST = 12
"""Decisions that people are shown; --json has all that are remembered."""


@app.command()
def why(
    peer: Annotated[str, typer.Argument(help="A connected peer: its node id, the beginning of it, or its name.")],
    as_json: AsJson = False,
    control_socket: ControlSocket = None,
) -> None:
    """Explain how a peer is reached, why it is (not) direct, and what would make it direct."""
    with asking(control_socket, as_json) as client:
        told = client.request("why", PATIENCE, peer=peer)
    if as_json:
        return print_json(told)
    from rich.console import Console
    from rich.text import Text
    from rich.tree import Tree

    tree = Tree(Text(_headline(told), style="bold"))
    for title, lines in _branches(told):
        branch = tree.add(Text(title))
        for line in lines:
            branch.add(Text(line))
    return Console(highlight=False).print(tree)


def _headline(told: Mapping[str, Any]) -> str:
    way = {"direct": f"direct at {told['address']}", "relayed": f"relayed via {str(told['relay'])[:10]}"}
    return f"{told['name']} ({told['peer'][:10]}): {way.get(told['path'], 'not reached')}"


def _branches(told: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    for whose, title in (("mine", "this node"), ("theirs", "the peer")):
        side = told["nats"][whose]
        if side is None:
            yield f"{title}: nothing is known of its NAT yet", []
        else:
            candidates = [f"{one['kind']} {one['address']}" for one in side["candidates"]]
            yield f"{title}: {side['name']}", candidates
    if told["allowed"]:
        yield f"their NATs allow: {told['allowed']['meeting']}, {told['allowed']['reason']}", []
    if told["remedies"]:
        yield "it would be direct if", told["remedies"]
    paths = [f"{one['address']} {one['tier']}, {one['rtt_ms']:.1f} ms" for one in told["paths"]]
    if paths:
        yield "paths that answer", paths
    if last := told["last_attempt"]:
        ended = "found a path" if last["direct"] else "failed"
        yield (
            f"last attempt {ended} after {last['rounds']} rounds and {last['probes']} probes"
            f" ({last['heard']} of the peer's came in): {last['reason']}",
            [],
        )
    yield f"what happened ({told['stage']} now)", [_decision(one) for one in told["decisions"][-_NEWEST:]]


def _decision(one: Mapping[str, Any]) -> str:
    again = f", {one['count']} times" if one["count"] > 1 else ""
    return f"{one['ago_s']:.1f} s ago  {one['verdict']} {one['route'] or ''}{again}: {one['reason']}"
