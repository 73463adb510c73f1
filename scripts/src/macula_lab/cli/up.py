"""`macula-lab up`."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated

import typer

from macula_lab import machine, records
from macula_lab.bringup import bring_up
from macula_lab.cli.options import AsJson, EngineName, Project
from macula_lab.cli.showing import show_lab
from macula_lab.composefile.load import load
from macula_lab.engines.contract import Engine
from macula_lab.engines.docker import daemon
from macula_lab.lab import AGAIN, asked_plan, choose, is_up, make, project_of, require_engine, require_project, resolve
from macula_lab.records import Record
from macula_lab.report import Reporter

Name = Annotated[str, typer.Argument(envvar="TOPOLOGY", help="name in compose/, or the path of a compose file")]


def up(name: Name = "mesh", project: Project = "", engine: EngineName = "", as_json: AsJson = False) -> None:
    """Bring a lab up, prove that its routers are what they are called and that its nodes are a mesh, and show it."""
    report = Reporter()
    lab = begin(name, project, engine, report)
    if old := machine.outdated(lab):
        report.say(f"{', '.join(old)}: made from older images, and left as they are. For the new ones: {AGAIN}")
    try:
        made = bring_up(lab, report)
    finally:
        if not lab.hosts():
            records.forget(lab.project)
    show_lab(made.mesh, made.proof, as_json)


@contextmanager
def for_a_while(
    name: str, project: str, engine: str, report: Reporter, environ: Mapping[str, str] = os.environ
) -> Iterator[Engine]:
    """A lab that is up while the block lasts."""
    lab = begin(name, project, engine, report, environ)
    try:
        bring_up(lab, report)
        yield lab
    finally:
        lab.down()
        records.forget(lab.project)


def begin(name: str, project: str, engine: str, report: Reporter, environ: Mapping[str, str] = os.environ) -> Engine:
    """The lab that `up` makes or completes, recorded, on a machine that has what it needs.

    Raises LabError where it is up on another engine, or with other values.
    """
    file = resolve(name)
    project = project or project_of(file)
    require_project(project)
    known = records.load(project)
    # What is wrong with the file is told before anything is made.
    load(file, {**(known.environment if known else {}), **environ})
    chosen = choose(engine or (known.engine if known else ""), environ, daemon.answers)
    machine.ensure(chosen, report)
    if known and not is_up(known):
        known = None
    if known:
        require_engine(known, chosen)
    plan = asked_plan(file, known, environ)
    machine.ensure_images(chosen, plan, report)
    records.save(Record(project, file, chosen, plan.variables))
    return make(chosen, plan, project)
