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

_MEETINGS = {
    "direct": "a direct path",
    "prediction": "a direct path, if the next port is guessed",
    "birthday": "a relay only, as thousands of guesses at a port would be needed",
    "relay": "a relay only",
}

_STAGES = {
    "idle": "nothing is looked for",
    "refreshing": "looking at this node's own NAT",
    "offered": "waiting for the peer's addresses",
    "ready": "waiting for the peer's sign to begin",
    "waiting": "about to send probes",
    "probing": "sending probes",
    "resting": "the next attempt follows in a minute or so",
    "not wanted": "no direct path is looked for until there is a call or an event for the peer",
}


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
        branch = tree.add(Text(_whose(title)))
        for line in lines:
            branch.add(Text(_whose(line)))
    return Console(highlight=False).print(tree)


def _headline(told: Mapping[str, Any]) -> str:
    from macula.cli.tables import duration

    over = ", over TCP" if told["carrier"] == "tcp" else ""
    relay = told["relay_name"] or str(told["relay"])[:10]
    way = {"direct": f"direct at {told['address']}", "relayed": f"relayed via {relay}"}.get(told["path"], "not reached")
    rtt = "" if told["rtt_ms"] is None else f", {told['rtt_ms']:.1f} ms"
    answers = ", does not answer now" if told["suspect"] else ""
    return f"{told['name']} ({told['peer'][:10]}): {way}{over}{rtt}, connected for {duration(told['since_s'])}{answers}"


def _branches(told: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    for whose, title in (("mine", "this node's NAT"), ("theirs", "the peer's NAT")):
        side = told["nats"][whose]
        if side is None:
            yield f"{title}: not asked for", []
        else:
            yield f"{title}: {side['name']}", [_candidate(one) for one in side["candidates"]]
    if told["allowed"]:
        yield f"their NATs allow: {_MEETINGS[told['allowed']['meeting']]}; {told['allowed']['reason']}", []
    if told["remedies"]:
        yield "it would be direct if", told["remedies"]
    paths = [f"{one['address']} {one['tier']}, {one['rtt_ms']:.1f} ms" for one in told["paths"]]
    if paths:
        yield "direct paths that answer", paths
    if last := told["last_attempt"]:
        ended = "found a path" if last["direct"] else "failed"
        yield (
            f"last attempt {ended} after {_many(last['rounds'], 'round')} and {_many(last['probes'], 'probe')}"
            f" ({last['heard']} of the peer's came in): {last['reason']}",
            [],
        )
    yield f"now: {_STAGES.get(told['stage'], told['stage'])}", []
    if told["decisions"]:
        yield "what happened", [_decision(one) for one in told["decisions"][-_NEWEST:]]


def _candidate(one: Mapping[str, Any]) -> str:
    return f"{one['kind']} {one['address']}" + (f", {one['answer']}" if one["answer"] else "")


def _many(count: int, thing: str) -> str:
    return f"{count} {thing}" + ("" if count == 1 else "s")


def _decision(one: Mapping[str, Any]) -> str:
    again = f", {one['count']} times" if one["count"] > 1 else ""
    what = " ".join(filter(None, (one["verdict"], one["route"])))
    return f"{one['ago_s']:.1f} s ago  {what}{again}: {one['reason']}"


def _whose(text: str) -> str:
    """A prediction's words, which know no sides, as this node has them."""
    return text.replace("the first NAT", "this node's NAT").replace("the second NAT", "the peer's NAT")
