"""With what a lab runs: the versions that a person would be asked for who reports a fault."""

import os
from collections.abc import Callable
from importlib.metadata import version

from macula_lab.engines.contract import Engine
from macula_lab.errors import LabError
from macula_lab.process import run
from macula_lab.workspace import ROOT


def versions(engine: Engine, router: str) -> dict[str, str]:
    """By what it is of. `router` is one that runs, whose tools are asked; "" when none does."""
    system = os.uname()
    found = {
        "commit": _first(lambda: run(["git", "-C", str(ROOT), "describe", "--always", "--dirty"])),
        "macula-lab": version("macula-lab"),
        "macula-mesh": version("macula-mesh"),
        "kernel": f"{system.sysname} {system.release} {system.machine}",
        "engine": engine.name,
    }
    if engine.name == "docker":
        found |= _docker(engine)
    if router:
        for tool, argv in {"nft": ["nft", "--version"], "tcpdump": ["tcpdump", "--version"]}.items():
            finished = engine.execute(router, argv)
            found[tool] = (finished.stdout or finished.stderr).partition("\n")[0]
    return found


def _docker(engine: Engine) -> dict[str, str]:
    from macula_lab.engines.docker import command, daemon

    client = daemon.client()
    compose = command.find(os.environ, command.answers) or ()
    images = {service.image for service in engine.plan.services.values()}
    present = {tag: str(image.id) for image in client.images.list() for tag in image.tags}
    ids = {name: present.get(name) or present.get(f"{name}:latest", "") for name in images}
    return {
        "docker": str(client.version()["Version"]),
        "compose": _first(lambda: run([*compose, "version"])) if compose else "none",
        **{f"image {name}": ids[name] for name in sorted(images)},
    }


def _first(ask: Callable[[], str]) -> str:
    try:
        return ask().strip().partition("\n")[0]
    except LabError as error:
        return error.cause
