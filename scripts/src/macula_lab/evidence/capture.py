"""Captures on both sides of routers: started by one command, ended or copied by a later one.

tcpdump runs in a helper beside each router, so that the router needs no further capability.
"""

import json
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from macula_lab.engines.contract import Engine, Helper
from macula_lab.errors import LabError
from macula_lab.evidence import packets, taps
from macula_lab.evidence.taps import PARTS, Tap
from macula_lab.workspace import STATE

READY_DEADLINE = 20.0
"""Seconds until tcpdump sees packets; it is a fraction of one, unless the machine is busy."""
WORKERS = 8
"""Routers at which captures are begun or ended at the same time."""

INDEX = "taps.json"
"""Which interfaces are captured, in a helper's folder and, per router, beside the captures."""


@dataclass(frozen=True, slots=True)
class Captured:
    """A capture file and the interface where it was made."""

    tap: Tap
    file: Path


def folder_of(project: str) -> Path:
    """Where the captures of a project are kept once they are stopped."""
    return STATE / "captures" / project


def start(engine: Engine, names: Sequence[str] = ()) -> list[Tap]:
    """Begin to capture on every interface of these routers (of all, when none is named). Gives the interfaces of those
    that are captured from now on, and of those that were before; unless there are any, earlier captures are forgotten.

    Raises LabError naming a service that is no router or does not run, a capture that has ended by itself, or what
    tcpdump said.
    """
    routers = running(engine, names)
    if not any(engine.kept(helper_name(service.name)) for service in engine.plan.routers()):
        forget(engine.project)
    with ThreadPoolExecutor(WORKERS) as pool:
        begun = pool.map(lambda router: _begin(engine, router), routers)
        return [tap for found in begun for tap in found]


def stop(engine: Engine, names: Sequence[str] = ()) -> list[Captured]:
    """End the captures of these routers (of all) and keep them. Raises LabError when there is none."""
    helpers = {router: helper for router in known(engine, names) if (helper := engine.kept(helper_name(router)))}
    if not helpers:
        what = ", ".join(names) or engine.project
        raise LabError(f"no packets of {what} are being captured", "macula-lab capture start")
    with ThreadPoolExecutor(WORKERS) as pool:
        kept = pool.map(lambda one: _end(engine, *one), helpers.items())
        return [captured for found in kept for captured in found]


def collect(engine: Engine, router: str, folder: Path) -> list[Captured]:
    """Put a router's captures in a folder: as they are now if they go on, else those that were stopped."""
    if helper := engine.kept(helper_name(router)):
        return _copy(router, helper, folder)
    found = [Captured(captured.tap, folder / captured.tap.file) for captured in kept(engine.project, router)]
    if found:
        folder.mkdir(parents=True, exist_ok=True)
    for captured in found:
        shutil.copy2(folder_of(engine.project) / captured.tap.file, captured.file)
    return found


def kept(project: str, router: str) -> list[Captured]:
    """The captures of a router that were stopped."""
    folder = folder_of(project)
    listed = folder / f"{router}.{INDEX}"
    if not listed.exists():
        return []
    return [Captured(tap, folder / tap.file) for tap in map(Tap.from_json, json.loads(listed.read_text()))]


def forget(project: str) -> None:
    """Remove the captures of a project that were stopped: for one that begins anew."""
    shutil.rmtree(folder_of(project), ignore_errors=True)


def known(engine: Engine, names: Sequence[str]) -> list[str]:
    """The routers named, or all. Raises LabError for one that is no router."""
    routers = [service.name for service in engine.plan.routers()]
    for name in names:
        if name not in routers:
            there = ", ".join(routers) or "none"
            raise LabError(f"{name} is no router of {engine.plan.name}", f"choose one of: {there}")
    return list(names) or routers


def running(engine: Engine, names: Sequence[str]) -> list[str]:
    """The routers named, or all that run. Raises LabError for one that is no router or does not run."""
    up = {name for name, host in engine.hosts().items() if host.running}
    wanted = known(engine, names)
    for name in names:
        if name not in up:
            raise LabError(f"{name} does not run", f"macula-lab up {engine.plan.name}")
    found = [name for name in wanted if name in up]
    if not found:
        raise LabError(f"no router of {engine.project} runs", f"macula-lab up {engine.plan.name}")
    return found


def helper_name(router: str) -> str:
    """The name of the helper that captures beside a router."""
    return f"capture-{router}"


def index(helper: Helper) -> list[Tap]:
    """What a helper captures."""
    return [Tap.from_json(told) for told in json.loads(_output(helper, ["cat", f"{helper.folder}/{INDEX}"]))]


def _begin(engine: Engine, router: str) -> list[Tap]:
    if helper := engine.kept(helper_name(router)):
        if helper.execute(taps.alive(helper.folder)).code != 0:
            cause = f"the capture at {router} has ended by itself, as it does when the router is restarted"
            raise LabError(cause, f"macula-lab capture stop {router} keeps what it has; then start it again")
        return index(helper)
    helper = engine.beside(router, helper_name(router))
    try:
        found = taps.find(engine.plan, router, _output(helper, ["ip", "-j", "address"]))
        listed = json.dumps([tap.to_json() for tap in found])
        _output(helper, ["sh", "-c", 'printf %s "$1" > "$2"', "sh", listed, f"{helper.folder}/{INDEX}"])
        for tap in found:
            helper.spawn(taps.command(tap, helper.folder))
        _output(helper, taps.ready(found, helper.folder), timeout=READY_DEADLINE)
    except BaseException:
        helper.remove()
        raise
    return found


def _end(engine: Engine, router: str, helper: Helper) -> list[Captured]:
    helper.execute(taps.end(helper.folder))
    found = _copy(router, helper, folder_of(engine.project))
    helper.remove()
    return found


def _copy(router: str, helper: Helper, folder: Path) -> list[Captured]:
    folder.mkdir(parents=True, exist_ok=True)
    found = [Captured(tap, folder / tap.file) for tap in index(helper)]
    for captured in found:
        parts = []
        for number in range(PARTS):
            part = folder / f"{captured.tap.file}{number}"
            try:
                helper.fetch(f"{helper.folder}/{part.name}", part)
            except LabError:
                continue
            parts.append(part.read_bytes())
            part.unlink()
        captured.file.write_bytes(packets.join(parts))
    (folder / f"{router}.{INDEX}").write_text(json.dumps([one.tap.to_json() for one in found], indent=2))
    return found


def _output(helper: Helper, argv: Sequence[str], timeout: float = 30.0) -> str:
    finished = helper.execute(argv, timeout=timeout)
    if finished.code != 0:
        raise LabError(f"`{' '.join(argv[:2])} …` failed in the lab's helper", evidence=finished.stderr)
    return finished.stdout
