"""What this machine needs before a lab can be up, made where the lab may make it; and removing what it made."""

from pathlib import Path

from macula_lab.composefile.plan import NODE_IMAGE, ROUTER_IMAGE, Plan
from macula_lab.engines.contract import Engine
from macula_lab.engines.docker import command, daemon, images
from macula_lab.engines.docker.engine import DockerEngine
from macula_lab.engines.netns import requirements
from macula_lab.lab import DOCKER, NETNS, can_have_namespaces, make
from macula_lab.report import Reporter


def ensure(engine: str, report: Reporter) -> None:
    """Return with an engine that can be asked. Raises LabError, saying what to do, where that is not possible."""
    if engine == NETNS:
        requirements.ensure(report)
    else:
        daemon.ensure(report)
        command.ensure(report)


def ensure_images(engine: str, plan: Plan, report: Reporter) -> None:
    """Build our images that a plan uses; the router's also serves the lab's own helpers."""
    if engine == DOCKER:
        nodes = [service for service in plan.services.values() if service.is_node]
        wanted = [ROUTER_IMAGE]
        if any(not node.version for node in nodes):
            wanted.append(NODE_IMAGE)
        images.build(report, wanted, sorted({node.version for node in nodes if node.version}))


def outdated(engine: Engine) -> list[str]:
    """The services of a lab that is up which run older images than there are by now."""
    return engine.outdated() if isinstance(engine, DockerEngine) else []


def remove(project: str, report: Reporter) -> None:
    """Remove whatever a project has on any engine of this machine: no file, variable or record of it is needed."""
    nothing = Plan(Path(), {}, {})
    engines = [DOCKER] if daemon.answers() else []
    if can_have_namespaces() and not requirements.missing():
        engines.append(NETNS)
    with report.step(f"Removing {project}") as show:
        for engine in engines:
            make(engine, nothing, project).down(show)
