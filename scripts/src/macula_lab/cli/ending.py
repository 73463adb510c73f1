"""`macula-lab down` and `clean`."""

import shutil

from macula_lab import machine, records
from macula_lab.cli.options import Name, Project
from macula_lab.engines.docker import daemon, images
from macula_lab.lab import find, is_up, project_of, resolve
from macula_lab.report import Reporter
from macula_lab.workspace import NODE, STATE, WHEELHOUSE


def down(name: Name = "", project: Project = "") -> None:
    """Remove all that `up` made of a lab, also of one that is half made, on whichever engine; nothing is no error."""
    report = Reporter()
    record = find(records.every(), name, project, is_up)
    if record:
        project = record.project
    elif name and not project:
        project = project_of(resolve(name))
    if not project:
        report.say("no lab is up")
        return
    machine.remove(project, report)
    records.forget(project)


def clean() -> None:
    """Remove all that the lab ever made (labs, images, wheels, logs) and stop the engine it started."""
    report = Reporter()
    half_made = {path.name for path in (STATE / "netns").glob("*")}
    for project in sorted({*records.every(), *half_made}):
        machine.remove(project, report)
    if daemon.answers():
        with report.step("Removing containers, networks and images"):
            images.remove_all(daemon.client())
    stop_engine(report)
    shutil.rmtree(NODE / WHEELHOUSE, ignore_errors=True)
    shutil.rmtree(STATE, ignore_errors=True)


def stop_engine(report: Reporter) -> None:
    """Stop the engine if the lab started it, and say whether it did."""
    report.say("stopped the Docker engine that was started here" if daemon.stop() else "no Docker engine of ours runs")
