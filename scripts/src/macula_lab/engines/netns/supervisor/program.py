"""What is to run, and how a forked process becomes it."""

import importlib
import os
import shutil
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from pkgutil import walk_packages
from typing import Any, NoReturn

from macula_lab.engines.netns import kernel
from macula_lab.engines.netns.project import path_of

GO_BEFORE = 10
"""By how much nicer programs are than the supervisor: what it started may want all of the processor, and it is to go on
starting others, and to answer."""

EXIT_NOT_FOUND = 127
EXIT_NOT_EXECUTABLE = 126
"""As a shell reports them."""

PYTHON_PATH = "PYTHONPATH"
"""Of a program that is to find other code than this installation's."""
PRELOAD = "LD_PRELOAD"
"""Of a program that is to be linked with a library before all others (ld.so(8)), which a fork is not."""

_IMPORTED_LATE = {"macula": ("macula.api",)}
"""What a command imports only when it is needed, which here is always."""


@dataclass(frozen=True, slots=True)
class Program:
    """One program in one namespace. Its fields travel as JSON."""

    name: str
    """of a service, or of a helper's tool"""
    namespace: str
    hostname: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    """all of it"""
    capabilities: Sequence[int]
    folder: str
    """where it starts"""
    hosts_file: str
    """what it sees as /etc/hosts"""
    log: str = ""
    """what its output is appended to; without one it writes to the descriptors that came with the request"""
    service: bool = False
    """whether its end is remembered, and ends all else in its namespace too"""


def needs_execution(program: Program) -> bool:
    """Whether a fork of this process, with the code that it has imported, could not be the program."""
    return bool(program.environment.get(PYTHON_PATH) or program.environment.get(PRELOAD))


@cache
def warm(command: str) -> Callable[[], Any] | None:
    """The function behind a command of this installation, with its whole package imported; None for other programs."""
    found = next(iter(entry_points(group="console_scripts", name=command)), None)
    if found is None or found.module.partition(".")[0] not in ("macula", "macula_lab"):
        return None
    package = importlib.import_module(found.module.rpartition(".")[0])
    modules = [module.name for module in walk_packages(package.__path__, f"{package.__name__}.")]
    for name in (*modules, *_IMPORTED_LATE.get(command, ())):
        if not name.endswith("__main__"):
            importlib.import_module(name)
    function: Callable[[], Any] = found.load()
    return function


def go_before() -> None:
    """Let the calling process, the supervisor, go before its programs."""
    os.nice(-GO_BEFORE)
    # Where the kernel shares processors among sessions first (sched(7), autogroup), it is the session's that counts.
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(-GO_BEFORE))


def settle(program: Program, output: Sequence[int], inhabitant: int | None) -> None:
    """Make the calling process, just forked, what the program is to find: output, namespaces, environment, rights.

    `output` are the descriptors for stdout and stderr, `inhabitant` is the process of the service that lives in the
    namespace, if one does. Raises OSError with what the kernel refuses.
    """
    kernel.die_with_parent(signal.SIGKILL)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, number in zip((nothing, *output), (0, 1, 2), strict=True):
        os.dup2(descriptor, number)
    os.close(nothing)
    _enter(program, inhabitant)
    os.chdir(program.folder)
    os.environ.clear()
    os.environ.update(program.environment)
    os.nice(GO_BEFORE)
    os.setsid()
    kernel.set_name(program.hostname)
    kernel.keep_capabilities(program.capabilities)


def run(program: Program, function: Callable[[], Any] | None) -> int:
    """Be the program: call its function, or execute it. Returns the exit code, with all output written."""
    try:
        if function is None:
            _execute(program.argv)
        sys.argv = list(program.argv)
        # New ones: those there are have a position in the supervisor's log. By lines: what reads may be waiting.
        sys.stdout, sys.stderr = (open(number, "w", 1, "utf-8", closefd=False) for number in (1, 2))  # noqa: SIM115
        sys.exit(function())
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001 - what the interpreter does with it
        traceback.print_exc()
        code = 1
    if isinstance(code, str):
        print(code, file=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # nobody reads any more
            stream.flush()
    return code if isinstance(code, int) else int(code is not None)


def _execute(argv: Sequence[str]) -> NoReturn:
    """Become another program. Raises SystemExit, having said why, where that is not possible."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, other programs expect it
    path = shutil.which(argv[0])
    if path is None:
        sys.stderr.write(f"{argv[0]}: no such program\n")
        sys.exit(EXIT_NOT_FOUND)
    try:
        os.execv(path, list(argv))  # noqa: S606 - no shell is wanted
    except OSError as error:
        sys.stderr.write(f"{argv[0]}: {error.strerror}\n")
        sys.exit(EXIT_NOT_EXECUTABLE)


def _enter(program: Program, inhabitant: int | None) -> None:
    """Enter the network, and see what belongs to it: host name, /etc/hosts, /sys. That of a service is entered too."""
    kernel.enter(path_of(program.namespace), kernel.CLONE_NEWNET)
    if inhabitant is not None:
        kernel.enter(f"/proc/{inhabitant}/ns/uts", kernel.CLONE_NEWUTS)
        kernel.enter(f"/proc/{inhabitant}/ns/mnt", kernel.CLONE_NEWNS)
        return
    kernel.unshare(kernel.CLONE_NEWNS | kernel.CLONE_NEWUTS)
    socket.sethostname(program.hostname)
    kernel.mount("", "/", flags=kernel.MS_REC | kernel.MS_SLAVE)
    kernel.mount(program.hosts_file, "/etc/hosts", flags=kernel.MS_BIND)
    # Over the one that is there: to take a mount away, as to make a mount namespace only to end with the command, is to
    # wait for all processors, and a busy machine makes that long.
    kernel.mount("sysfs", "/sys", "sysfs")
