"""`macula-lab …` as a person types it, for a lab of the test session."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from macula_lab.engines.contract import Engine
from macula_lab.records import Record, forget, save

_PROGRAM = "from macula_lab.cli.main import main; main()"


@contextmanager
def recorded(lab: Engine) -> Iterator[None]:
    """The lab as `up` would have left it, so that commands find it."""
    save(Record(lab.project, lab.plan.file, lab.name, lab.plan.variables))
    try:
        yield
    finally:
        forget(lab.project)


def printed(lab: Engine, *argv: str) -> str:
    """What `macula-lab ARGV` prints for this lab."""
    done = _macula_lab(lab, argv)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(lab: Engine, *argv: str) -> str:
    """What `macula-lab ARGV` says is wrong."""
    done = _macula_lab(lab, argv)
    assert done.returncode == 1, done.stdout
    return done.stderr


def _macula_lab(lab: Engine, argv: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", _PROGRAM, *argv, "--project", lab.project]
    return subprocess.run(command, capture_output=True, text=True, timeout=90)
