"""The answer to `macula-lab why` as a tree for people."""

from dataclasses import asdict
from typing import Any

from rich.console import Group
from rich.markup import escape
from rich.tree import Tree

from macula_lab.evidence.reasons import Finding
from macula_lab.evidence.why import Answer, Direction

MOST = 8
"""Drops that are told of each direction; the rest is counted. `--json` has all."""


def tree(answer: Answer) -> Group:
    """Both directions and the prediction."""
    a, b = (one.sender for one in answer.directions)
    top = Tree(f"[bold]{a} and {b}[/]  {_way(answer, a)} | {_way(answer, b)}")
    top.add(f"their NATs allow: [bold]{answer.prediction.meeting}[/], {escape(answer.prediction.reason)}")
    for one in answer.directions:
        _direction(top.add(f"[bold]{one.sender} -> {one.receiver}[/]"), one)
    return Group(top)


def _way(answer: Answer, host: str) -> str:
    return " > ".join([host, *answer.nats[host]])


def _direction(branch: Tree, direction: Direction) -> None:
    for one in direction.translations:
        branch.add(f"{one.router} sent {one.protocol} {one.inside} out as {one.outside}, to {', '.join(one.remotes)}")
    if not direction.findings:
        seen = "" if direction.translations else ", and none was seen on its way out"
        branch.add(f"[green]no packet was dropped[/]{seen}")
    for finding in direction.findings[:MOST]:
        _finding(branch, finding)
    if rest := direction.findings[MOST:]:
        branch.add(f"{sum(one.packets for one in rest)} more packets in {len(rest)} other drops (--json has all)")


def _finding(branch: Tree, finding: Finding) -> None:
    perhaps = "" if finding.certain else " (perhaps: a socket is nobody's any more)"
    node = branch.add(
        f"[red]{finding.router} dropped {finding.packets}[/] {finding.protocol} {finding.source} -> "
        f"{finding.destination}: [bold]{finding.reason}[/]{perhaps}"
    )
    node.add(escape(finding.explanation))
    if finding.remedy:
        node.add(f"[dim]next: {escape(finding.remedy)}[/]")


def to_json(answer: Answer) -> dict[str, Any]:
    """The same for programs."""
    return {
        "nats": {host: list(routers) for host, routers in answer.nats.items()},
        "prediction": asdict(answer.prediction),
        "directions": [
            {**asdict(one), "dropped": one.dropped, "reasons": sorted({finding.reason for finding in one.findings})}
            for one in answer.directions
        ],
    }
