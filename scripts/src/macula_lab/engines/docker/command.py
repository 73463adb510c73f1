"""The compose command of this machine: which one it is and how it is called."""

import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from functools import cache

from macula_lab.errors import LabError
from macula_lab.packages import can_install, install
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


@cache
def require() -> tuple[str, ...]:
    """The compose command of this machine; looked for once, since asking it takes half a second.

    Raises LabError when there is none.
    """
    found = find(os.environ, answers)
    if found is None:
        raise LabError("there is no compose command", INSTALL)
    return found


def ensure(report: Reporter) -> tuple[str, ...]:
    """The compose command, installed from the distribution where there is none and we are root on Debian or Ubuntu.

    Raises LabError, saying what to do, where that is not possible.
    """
    try:
        return require()
    except LabError:
        if os.environ.get("COMPOSE_CMD") or not can_install():
            raise
    install(report, "docker-compose-v2", otherwise="docker-compose")
    return require()
