"""The compose command of this machine: which one it is and how it is called."""

import os
import shlex
from collections.abc import Callable, Mapping, Sequence

from macula_lab.engines.docker import daemon as engine
from macula_lab.errors import LabError
from macula_lab.process import succeeds
from macula_lab.report import Reporter

CANDIDATES = (("docker", "compose"), ("docker-compose",))
"""Compose v2 and later as a plugin, then 1.29 or a standalone v2."""

INSTALL = "install docker-compose (or the compose plugin of Docker), or name the command in COMPOSE_CMD"


def find(environ: Mapping[str, str], works: Callable[[Sequence[str]], bool]) -> tuple[str, ...] | None:
    """The compose command: what the setting COMPOSE_CMD names, else the first candidate that works, else None.

    `works` tells whether a command runs. Raises LabError when COMPOSE_CMD names one that does not.
    """
    if setting := environ.get("COMPOSE_CMD"):
        command = tuple(shlex.split(setting))
        if not works(command):
            raise LabError(f"COMPOSE_CMD is {setting!r}, which does not run", INSTALL)
        return command
    return next((command for command in CANDIDATES if works(command)), None)


def answers(command: Sequence[str]) -> bool:
    """Whether a compose command runs on this machine."""
    return succeeds([*command, "version"])


def ensure(report: Reporter) -> tuple[str, ...]:
    """The compose command, installed from the distribution where there is none and we are root on Debian or Ubuntu.

    Raises LabError, saying what to do, where that is not possible.
    """
    found = find(os.environ, answers)
    if found is None:
        if not engine.can_install():
            raise LabError("there is no compose command", INSTALL)
        engine.install(report, "docker-compose-v2", otherwise="docker-compose")
        found = find(os.environ, answers)
    if found is None:
        raise LabError("the compose command of the distribution does not run", INSTALL)
    return found
