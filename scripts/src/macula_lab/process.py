"""Running other programs: their output as it comes, their failure as a LabError."""

import os
import shlex
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from macula_lab.errors import LabError

EVIDENCE_LINES = 25


def ignore(_line: str) -> None:
    """A `show` for output that nobody wants to see while it comes."""


def run(
    argv: Sequence[str],
    *,
    show: Callable[[str], None] = ignore,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    next_step: str = "",
) -> str:
    """Run `argv` to its end and return its output (stdout and stderr as they came).

    `show` gets each line as it comes; `env` is added to this process's environment; `timeout` is in seconds.
    Raises LabError with the last lines when the program is missing, fails or takes too long.
    """
    name = shlex.join(argv)
    try:
        process = subprocess.Popen(  # noqa: S603 - the lab's own commands
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, **(env or {})},
        )
    except FileNotFoundError as error:
        raise LabError(f"{argv[0]}: no such program", next_step) from error
    late = threading.Event()

    def stop() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(timeout, stop) if timeout is not None else None
    lines: list[str] = []
    with process:
        if timer:
            timer.start()
        try:
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(line)
                show(line.rstrip())
            code = process.wait()
        except BaseException:
            process.kill()
            raise
        finally:
            if timer:
                timer.cancel()
    if code != 0:
        why = f"did not end within {timeout:g} s" if late.is_set() else f"failed with exit code {code}"
        raise LabError(f"`{name}` {why}", next_step, "".join(lines[-EVIDENCE_LINES:]))
    return "".join(lines)


def succeeds(argv: Sequence[str], timeout: float = 20.0) -> bool:
    """Whether `argv` exists and ends with exit code 0 within `timeout` seconds."""
    try:
        run(argv, timeout=timeout)
    except LabError:
        return False
    return True


def last_lines(path: Path, count: int = EVIDENCE_LINES) -> str:
    """The last `count` lines of a text file; empty when there is no such file."""
    try:
        with path.open(errors="replace") as file:
            return "".join(deque(file, maxlen=count))
    except FileNotFoundError:
        return ""
