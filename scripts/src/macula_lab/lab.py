"""Which lab a command means: a name or a path becomes a plan, a project, and an engine that runs it."""

import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from macula_lab import records
from macula_lab.composefile.load import load
from macula_lab.composefile.plan import Plan
from macula_lab.engines.contract import Engine
from macula_lab.engines.docker import daemon
from macula_lab.engines.docker.engine import DockerEngine
from macula_lab.engines.netns.engine import NamespaceEngine
from macula_lab.errors import LabError
from macula_lab.packages import can_install
from macula_lab.records import Record
from macula_lab.workspace import COMPOSE, topologies

DOCKER = "docker"
NETNS = "netns"

AGAIN = "macula-lab down, then up again"

_PROJECT = re.compile(r"[a-z0-9][a-z0-9_-]*")


def open_lab(name: str = "", project: str = "", engine: str = "") -> Engine:
    """The engine of a lab that is up, with the values it was brought up with.

    `name` is a name in compose/ or the path of a compose file, "" is the only lab that is up; `project` says which one
    where a file is up more than once. A lab that is not up gets the engine that `up` would take: it has no hosts.
    Raises LabError when no lab, or more than one, is meant.
    """
    record = find(records.every(), name, project, is_up)
    if record is None:
        if not name:
            raise LabError(f"{project or 'no lab'} is {'not ' if project else ''}up", "macula-lab up")
        file = resolve(name)
        plan = load(file, os.environ)
        return make(choose(engine, os.environ, daemon.answers), plan, project or project_of(file))
    require_engine(record, engine)
    return make(record.engine, load(record.file, record.environment), record.project)


def find(known: Mapping[str, Record], name: str, project: str, is_up: Callable[[Record], bool]) -> Record | None:
    """The record that is meant by a name and a project, either of which may be empty; None when it is not there.

    `is_up` is asked when more than one fits: a machine that was switched off leaves records. Raises LabError, listing
    them, when several are up.
    """
    fitting = [record for record in known.values() if project in ("", record.project)]
    if name:
        file = resolve(name)
        fitting = [record for record in fitting if record.file == file]
        if not project and len(fitting) > 1:
            fitting = [record for record in fitting if record.project == project_of(file)] or fitting
    if len(fitting) > 1:
        fitting = [record for record in fitting if is_up(record)]
    if len(fitting) > 1:
        listed = ", ".join(f"{record.project} ({record.file.stem})" for record in fitting)
        raise LabError(f"{len(fitting)} labs are up: {listed}", "say which one: --project NAME (make: PROJECT=NAME)")
    return fitting[0] if fitting else None


def is_up(record: Record) -> bool:
    """Whether anything of a lab is there."""
    return bool(make(record.engine, Plan(record.file, {}, {}), record.project).hosts())


def asked_plan(file: Path, known: Record | None, environ: Mapping[str, str]) -> Plan:
    """The plan for `up`: of a lab that is up, `known`, what is not said again stays as it was.

    Raises LabError naming the variables whose values would be others than those it is up with.
    """
    plan = load(file, {**(known.environment if known else {}), **environ})
    if known and known.file != file:
        raise LabError(f"{known.project} is up from {known.file}, not from {file}", f"--project, or: {AGAIN}")
    if known and plan.document != load(file, known.environment).document:
        names = sorted(plan.variables.keys() | known.environment.keys())
        before = {name: known.environment.get(name, "its default") for name in names}
        changed = [
            f"{name} is {before[name]}, not {plan.variables[name]}"
            for name in names
            if plan.variables.get(name) != known.environment.get(name)
        ]
        raise LabError(f"{known.project} is up with other values: {'; '.join(changed)}", AGAIN)
    return plan


def require_engine(record: Record, engine: str) -> None:
    """Raise LabError when an engine is named and a lab is up on the other."""
    if engine and engine != record.engine:
        raise LabError(
            f"{record.project} is up on {record.engine}, not on {engine}", f"leave --engine out, or: {AGAIN}"
        )


def resolve(name: str) -> Path:
    """The compose file of a topology's name or of a path. Raises LabError when there is neither."""
    if name in topologies():
        return COMPOSE / f"{name}.yaml"
    path = Path(name).resolve()
    if path.is_file():
        return path
    known = ", ".join(topologies())
    raise LabError(f"there is no topology {name!r}", f"choose one of: {known}; or name a compose file")


def project_of(file: Path) -> str:
    """The project name of a file unless one is given: macula-NAME, in the characters that compose takes."""
    return f"macula-{re.sub(r'[^a-z0-9_-]+', '-', file.stem.lower()).strip('-')}"


def require_project(project: str) -> None:
    """Raise LabError for a project name that compose does not take."""
    if not _PROJECT.fullmatch(project):
        raise LabError(f"--project: {project!r} is no project name", "use small letters, digits, - and _")


def choose(wanted: str, environ: Mapping[str, str], docker_answers: Callable[[], bool]) -> str:
    """Which engine runs a lab: the one that is named, here or in LAB_ENGINE; Docker where it answers or can be made to;
    else network namespaces where we are root on Linux; else Docker, which then says what it lacks.

    Raises LabError for an engine that does not exist.
    """
    if asked := wanted or environ.get("LAB_ENGINE", ""):
        if asked not in (DOCKER, NETNS):
            raise LabError(f"--engine: there is no engine {asked!r}", f"choose one of: {DOCKER}, {NETNS}")
        return asked
    if docker_answers() or not daemon.advice(environ, sys.platform, can_install()):
        return DOCKER
    return NETNS if can_have_namespaces() else DOCKER


def can_have_namespaces() -> bool:
    """Whether this process may make network namespaces."""
    return sys.platform == "linux" and os.geteuid() == 0


def make(engine: str, plan: Plan, project: str) -> Engine:
    """The engine of that name for a plan. Raises LabError for a project name that compose does not take."""
    require_project(project)
    return NamespaceEngine(plan, project) if engine == NETNS else DockerEngine(plan, project)
