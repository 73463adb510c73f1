"""The processes of a service, as far as they are told apart from those of helpers beside it."""

import os
import signal
import time
from collections.abc import Mapping

from macula_lab.engines.netns import namespaces
from macula_lab.errors import LabError

RUNNING = "running"
PAUSED = "paused"

PAUSE_DEADLINE = 5.0

Status = Mapping[str, Mapping[str, int | None]]


def state(task: Mapping[str, int | None]) -> str:
    """running, paused, or how it ended, as a container engine says it."""
    code, pid = task["code"], task["pid"]
    if code is not None:
        return f"exited ({code})"
    return PAUSED if pid is not None and namespaces.state_of(pid) == "T" else RUNNING


def pause(namespace: str, status: Status) -> None:
    """Stop all processes of a service where they are. Raises LabError when they do not stop."""
    end = time.monotonic() + PAUSE_DEADLINE
    # One that forks while it is being stopped leaves a child that the next look finds.
    while going := [pid for pid in of_service(namespace, status) if namespaces.state_of(pid) not in ("T", "Z", "X")]:
        for pid in going:
            namespaces.send(pid, signal.SIGSTOP)
        if time.monotonic() > end:
            raise LabError(f"processes {going} in {namespace} do not stop", "look at them with ps")
        time.sleep(0.001)


def resume(namespace: str, status: Status) -> None:
    """Let all processes of a service go on."""
    for pid in of_service(namespace, status):
        namespaces.send(pid, signal.SIGCONT)


def of_service(namespace: str, status: Status) -> list[int]:
    """The processes in a service's namespace without those of helpers: a tool is its session's leader."""
    tools = {task["pid"] for name, task in status.items() if name.startswith("helper:")}
    return [pid for pid in namespaces.processes([namespace]) if _session(pid) not in tools]


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None
