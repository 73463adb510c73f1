"""Gathering everything that explains what happened in a lab, into one folder with one page.

What cannot be had is noted and stops nothing: evidence is most wanted of a lab that is broken.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from macula_lab.engines.contract import Engine
from macula_lab.errors import LabError
from macula_lab.evidence import capture, node_files, packets, page, routers
from macula_lab.evidence.model import Evidence, Gathered, build, to_json
from macula_lab.evidence.scenario import scenario
from macula_lab.evidence.versions import versions
from macula_lab.workspace import STATE

T = TypeVar("T")
P = ParamSpec("P")

WORKERS = 6
"""Hosts that are asked at the same time."""


@dataclass
class Folder:
    """The folder of evidence while it is filled."""

    path: Path
    missing: list[str] = field(default_factory=list)

    def write(self, name: str, text: str) -> None:
        """A file in it; `name` may have slashes."""
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", errors="replace")

    def attempt(self, what: str, do: Callable[P, T], *args: P.args, **named: P.kwargs) -> T | None:
        """What `do` gives; None, and a note of why, when it cannot."""
        try:
            return do(*args, **named)
        except (LabError, OSError, ValueError) as error:
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            self.missing.append(f"{what}: {first}")
            return None

    def files(self) -> list[str]:
        """What is in it, beside the page."""
        found = (path.relative_to(self.path) for path in self.path.rglob("*") if path.is_file())
        return sorted(str(path) for path in found if str(path) != "index.html")


def collect(engine: Engine, folder: Path) -> Path:
    """Fill `folder`, which is made, with everything known about a lab; gives the path of its page."""
    write(engine, folder)
    return folder / "index.html"


def write(engine: Engine, folder: Path) -> Evidence:
    """As `collect`, and gives the evidence as data."""
    folder.mkdir(parents=True, exist_ok=True)
    into = Folder(folder)
    gathered = gather(engine, into)
    evidence = build(gathered)
    into.write("evidence.json", json.dumps(to_json(evidence), indent=1))
    into.write("index.html", page.render(evidence, engine.plan, into.files()))
    return evidence


def gather(engine: Engine, into: Folder) -> Gathered:
    """Ask a lab everything, and keep the answers as files, too."""
    gathered = Gathered(engine.plan, engine.project, engine.name, time.time())
    gathered.hosts = into.attempt("hosts", engine.hosts) or {}
    running = {name for name, host in gathered.hosts.items() if host.running}
    ours = [service.name for service in engine.plan.routers() if service.name in running]
    nodes = [service.name for service in engine.plan.services.values() if service.is_node and service.name in running]
    with ThreadPoolExecutor(WORKERS) as pool:
        # Captures first: the routers' tables must not be older than the packets.
        routing = [service.name for service in engine.plan.routers()]
        captured = list(pool.map(lambda name: _captures(engine, name, into), routing))
        gathered.shown = _found(pool.map(lambda name: (name, _router(engine, name, into)), ours))
        gathered.logs = _found(pool.map(lambda name: (name, _log(engine, name, into)), gathered.hosts))
        gathered.statuses = _found(pool.map(lambda name: (name, _node(engine, name, into)), nodes))
    gathered.states = _found(
        (name, into.attempt(name, routers.read, name, json.dumps(shown))) for name, shown in gathered.shown.items()
    )
    gathered.shown = {name: shown for name, shown in gathered.shown.items() if name in gathered.states}
    gathered.captured = [
        (one.tap, into.attempt(one.tap.file, packets.read, one.file) or []) for found in captured for one in found
    ]
    gathered.events = into.attempt("events", _events, engine.project, into) or []
    gathered.versions = into.attempt("versions", versions, engine, ours[0] if ours else "") or {}
    into.write("versions.json", json.dumps(gathered.versions, indent=2))
    into.write("scenario/plan.json", json.dumps(scenario(engine), indent=2))
    into.attempt("compose file", shutil.copy2, engine.plan.file, into.path / "scenario")
    gathered.missing = into.missing
    return gathered


def _captures(engine: Engine, name: str, into: Folder) -> list[capture.Captured]:
    return into.attempt(f"{name}: captures", capture.collect, engine, name, into.path / "captures") or []


def _router(engine: Engine, name: str, into: Folder) -> dict[str, Any] | None:
    text = into.attempt(f"{name}: show", routers.show, engine, name)
    for file, argv in {
        f"routers/{name}.nft": ["nft", "list", "ruleset"],
        f"routers/{name}.addresses": ["ip", "address"],
        f"routers/{name}.routes": ["ip", "route", "show", "table", "all"],
    }.items():
        finished = into.attempt(f"{name}: {argv[0]}", engine.execute, name, argv)
        if finished:
            into.write(file, finished.stdout or finished.stderr)
    if text is None:
        return None
    into.write(f"routers/{name}.json", text)
    shown: dict[str, Any] | None = into.attempt(f"{name}: show", json.loads, text)
    return shown


def _log(engine: Engine, name: str, into: Folder) -> str | None:
    text = into.attempt(f"{name}: log", engine.logs, name)
    if text is not None:
        into.write(f"services/{name}.log", text)
    return text


def _node(engine: Engine, name: str, into: Folder) -> dict[str, Any] | None:
    def ask() -> dict[str, Any]:
        finished = engine.execute(name, ["macula", "status", "--json"])
        if finished.code != 0:
            raise LabError(finished.stderr.strip() or finished.stdout.strip() or "no answer")
        into.write(f"services/{name}.status.json", finished.stdout)
        told: dict[str, Any] = json.loads(finished.stdout)
        return told

    into.attempt(f"{name}: key log and traces", node_files.fetch, engine, name, into.path / "services")
    return into.attempt(f"{name}: status", ask)


def _events(project: str, into: Folder) -> list[dict[str, Any]]:
    """The journal that `macula-lab event` writes, one JSON object per line."""
    journal = STATE / "events" / f"{project}.jsonl"
    if not journal.exists():
        return []
    text = journal.read_text()
    into.write("scenario/events.jsonl", text)
    return [json.loads(line) for line in text.splitlines()]


def _found(answers: Iterable[tuple[str, T | None]]) -> dict[str, T]:
    return {name: answer for name, answer in answers if answer is not None}
