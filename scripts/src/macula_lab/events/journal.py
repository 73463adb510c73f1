"""What is remembered of each project's events: those that happened, in their order, and what undoes them."""

import json
from collections.abc import Sequence
from pathlib import Path

from macula_lab.events.event import Happened
from macula_lab.workspace import state_file


def journal(project: str) -> Path:
    """The file of a project's events, one JSON object per line."""
    return kept(f"{project}.jsonl")


def append(project: str, happened: Happened) -> None:
    """Record an event. One write of one line: two commands at the same time do not mix theirs."""
    with journal(project).open("a") as file:
        file.write(json.dumps(happened.to_json()) + "\n")


def read(project: str) -> list[Happened]:
    """The events of a project, oldest first."""
    file = journal(project)
    return [Happened.from_json(json.loads(line)) for line in file.read_text().splitlines()] if file.exists() else []


def keep_routes(project: str, interface: str, routes: Sequence[str]) -> None:
    """Remember the routes of an interface that goes down."""
    file = kept(f"{project}.routes.json")
    known = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(known | {interface: list(routes)}))


def kept_routes(project: str, interface: str) -> list[str]:
    """The routes that `keep_routes` was last told; empty when it was told none."""
    file = kept(f"{project}.routes.json")
    routes: list[str] = json.loads(file.read_text()).get(interface, []) if file.exists() else []
    return routes


def forget(project: str) -> None:
    """Remove what was recorded of a project: for one that begins anew."""
    for name in (f"{project}.jsonl", f"{project}.routes.json"):
        kept(name).unlink(missing_ok=True)


def kept(name: str) -> Path:
    """A file in the folder of events."""
    return state_file(f"events/{name}")
