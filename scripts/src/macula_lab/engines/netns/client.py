"""Asking a project's supervisor, and starting it."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from macula_lab.engines.netns import namespaces
from macula_lab.engines.netns.project import PID_FILE, Project
from macula_lab.engines.netns.supervisor.program import Program
from macula_lab.errors import LabError
from macula_lab.process import last_lines

MODULE = "macula_lab.engines.netns.supervisor"
ANSWER_TIMEOUT = 60.0
"""Seconds for what the supervisor answers at once; it imports the node's code, and the machine may be busy."""

ENDING = 1.0
"""Seconds for it to end when it is told to; it has nothing to put in order."""


class Supervisor:
    """The supervisor of a project, which may or may not run."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._socket = project.folder / "control.sock"
        self._log = project.folder / "supervisor.log"

    def runs(self) -> bool:
        """Whether it can be asked."""
        try:
            self._connect().close()
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True

    def launch(self) -> "subprocess.Popen[bytes]":
        """Begin to start it. It can be asked from now on: questions wait until it is there.

        The process that is returned ends, for the caller to wait for, as soon as the supervisor is in the background.
        """
        self._project.folder.mkdir(parents=True, exist_ok=True)
        self._socket.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as listener, _short(self._socket) as path:
            listener.bind(path)
            listener.listen(128)
            argv = [sys.executable, "-m", MODULE, str(listener.fileno()), str(self._project.folder)]
            with self._log.open("ab") as log:
                process = subprocess.Popen(  # noqa: S603 - ourselves
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=[listener.fileno()],
                    env={**os.environ, "LC_ALL": "C.UTF-8"},
                )
        return process

    def start(self, programs: Sequence[Program]) -> None:
        """Start programs; returns when all of them are in their namespaces. Raises LabError for one that cannot be."""
        self.ask({"do": "start", "programs": [asdict(program) for program in programs]})

    def status(self) -> dict[str, dict[str, int | None]]:
        """By name: pid and exit code (None while it runs) of services that ever ran and tools that run."""
        told: dict[str, dict[str, int | None]] = self.ask({"do": "status"})["tasks"]
        return told

    def signal(self, name: str, number: int) -> None:
        """Send a signal to a program. Raises LabError when it does not run."""
        self.ask({"do": "signal", "name": name, "number": number})

    def ended(self, name: str, timeout: float) -> bool:
        """Whether a program and what belongs to it is gone within `timeout` seconds."""
        try:
            self._ask({"do": "wait", "name": name}, timeout)
        except TimeoutError:
            return False
        return True

    def warm(self, command: str) -> None:
        """Have it import a command's code, without waiting for that."""
        with self.asked({"do": "warm", "command": command}, ()):
            return

    def end(self) -> None:
        """End it and all that it started, whether it still answers or not."""
        end = time.monotonic() + ENDING
        try:
            self._ask({"do": "end"}, ENDING)
        except (LabError, TimeoutError):
            end = 0.0
        while (pid := self._process()) is not None:
            if time.monotonic() > end:
                namespaces.send(pid, signal.SIGKILL)
            time.sleep(0.002)

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request that is answered at once. Raises LabError when it is a refusal or none comes."""
        try:
            return self._ask(request, ANSWER_TIMEOUT)
        except TimeoutError as error:
            cause = f"{self._project.name}: the process that runs its services gives no answer"
            raise LabError(cause, "take it down: macula-lab down", last_lines(self._log)) from error

    def _ask(self, request: dict[str, Any], timeout: float) -> dict[str, Any]:
        """As `ask`. Raises TimeoutError when the answer takes longer than `timeout` seconds."""
        with self.asked(request, ()) as connection:
            connection.settimeout(timeout)
            return self.answer(connection)

    @contextlib.contextmanager
    def asked(self, request: dict[str, Any], descriptors: Sequence[int]) -> Iterator[socket.socket]:
        """A connection on which a request was sent. Raises LabError when nobody is there."""
        data = json.dumps(request).encode() + b"\n"
        with contextlib.ExitStack() as stack:
            try:
                connection = stack.enter_context(self._connect())
                sent = socket.send_fds(connection, [data], descriptors) if descriptors else 0
                if rest := data[sent:]:
                    connection.sendall(rest)
            except (FileNotFoundError, ConnectionError) as error:
                raise self.lost() from error
            yield connection

    def answer(self, connection: socket.socket) -> dict[str, Any]:
        """The answer on a connection. Raises LabError when it is a refusal or the supervisor ended."""
        received = b""
        while not received.endswith(b"\n"):
            try:
                data = connection.recv(1 << 16)
            except ConnectionError:
                data = b""
            if not data:
                raise self.lost()
            received += data
        answer: dict[str, Any] = json.loads(received)
        if problem := answer.get("error"):
            raise LabError(f"{self._project.name}: {problem}", "macula-lab ps")
        return answer

    def lost(self) -> LabError:
        """The error for a supervisor that is not there."""
        cause = f"{self._project.name}: the process that runs its services has ended"
        return LabError(cause, "bring it up again, or take it down: macula-lab down", last_lines(self._log))

    def _process(self) -> int | None:
        """Its process id while it lives."""
        try:
            pid = int((self._project.folder / PID_FILE).read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError, ValueError):
            return None
        ours = MODULE.encode() in command and str(self._project.folder).encode() in command
        return pid if ours and namespaces.state_of(pid) not in ("Z", "X") else None

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        try:
            with _short(self._socket) as path:
                connection.connect(path)
        except BaseException as error:
            connection.close()
            if isinstance(error, PermissionError):
                raise LabError(f"{self._project.name} is root's", "run this with sudo") from error
            raise
        return connection


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """Another name for a path: that of a unix socket has at most 107 bytes, a checkout may lie deeper."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
