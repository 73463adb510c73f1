"""The supervisor's loop: requests from commands, ends of processes."""

import gc
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from macula_lab.engines.netns import namespaces
from macula_lab.engines.netns.supervisor.program import Program, needs_execution, run, settle, warm
from macula_lab.errors import LabError

MOST_REQUEST = 1 << 20
OUTPUTS = 2


@dataclass(eq=False, slots=True)
class Connection:
    """One request, from its first byte to its answer."""

    socket: socket.socket
    received: bytes = b""
    descriptors: list[int] = field(default_factory=list)
    task: "Task | None" = None
    """what ends when the connection does"""


@dataclass(eq=False, slots=True)
class Task:
    """One program that runs or, if it is a service, ran."""

    program: Program
    pid: int
    descriptor: int
    """a pidfd: readable when the process has ended"""
    code: int | None = None
    """its exit code, 128 + the signal's number where a signal ended it, None while it runs"""
    waiting: list[Connection] = field(default_factory=list)


class _Forked(BaseException):
    """Unwinds the loop in a new process; carries what that process is to do."""

    def __init__(self, be: Callable[[], int]) -> None:
        self.be = be


class Server:
    """Serves one listening socket until it is told to end. Has no thread that stays and no signal handler: it forks."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ, self._accept)
        self._connections: set[Connection] = set()
        self._tasks: dict[str, Task] = {}
        self._settling: list[int] = []
        """where children tell that they are where they belong"""
        self._ending = False

    def serve(self) -> Callable[[], int]:
        """Returns, in each process that it forks and in the end in its own, what that process has to do then."""
        try:
            while not self._ending:
                for key, _ in self._selector.select():
                    key.data()
        except _Forked as forked:
            return forked.be
        # Children die with their parent.
        return lambda: 0

    def _accept(self) -> None:
        accepted, _ = self._listener.accept()
        connection = Connection(accepted)
        self._connections.add(connection)
        self._selector.register(accepted, selectors.EVENT_READ, lambda: self._read(connection))

    def _read(self, connection: Connection) -> None:
        if connection not in self._connections:
            return  # answered while the same round of events was handled
        try:
            data, descriptors, _, _ = socket.recv_fds(connection.socket, 1 << 16, OUTPUTS)
        except ConnectionError:
            data, descriptors = b"", []
        connection.received += data
        connection.descriptors += descriptors
        if not data or len(connection.received) > MOST_REQUEST:
            self._close(connection)
        elif data.endswith(b"\n"):
            try:
                self._handle(connection, json.loads(connection.received))
            except Exception as error:  # noqa: BLE001 - all that runs here would end with this process
                traceback.print_exc()
                self._answer(connection, {"error": f"{type(error).__name__}: {error}"})

    def _handle(self, connection: Connection, request: dict[str, Any]) -> None:
        match request["do"]:
            case "start":
                self._start(connection, [Program(**fields) for fields in request["programs"]])
            case "run":
                self._run(connection, Program(**request["program"]), request["service"])
            case "status":
                told = {name: {"pid": task.pid, "code": task.code} for name, task in self._tasks.items()}
                self._answer(connection, {"pid": os.getpid(), "tasks": told})
            case "signal":
                self._signal(connection, request["name"], request["number"])
            case "wait":
                task = self._tasks.get(request["name"])
                if task is None or task.code is not None:
                    self._answer(connection, {})
                else:
                    task.waiting.append(connection)
            case "warm":
                self._answer(connection, {})
                self._warm(request["command"])
            case "end":
                self._answer(connection, {})
                self._ending = True

    def _answer(self, connection: Connection, answer: dict[str, Any]) -> None:
        if connection not in self._connections:
            return
        with suppress(BrokenPipeError, ConnectionResetError):  # who asked may have gone
            connection.socket.sendall(json.dumps(answer).encode() + b"\n")
        connection.task = None
        self._close(connection)

    def _close(self, connection: Connection) -> None:
        """Forget a connection; what it ran and nobody waits for any more is ended."""
        if connection not in self._connections:
            return
        if connection.task is not None:
            os.killpg(connection.task.pid, signal.SIGKILL)
        self._connections.discard(connection)
        self._selector.unregister(connection.socket)
        self._release(connection)

    @staticmethod
    def _release(connection: Connection) -> None:
        connection.socket.close()
        for descriptor in connection.descriptors:
            os.close(descriptor)

    def _start(self, connection: Connection, programs: list[Program]) -> None:
        for program in programs:
            with open(program.log, "ab") as log:  # noqa: PTH123
                self._fork(program, (log.fileno(), log.fileno()))
        problem = self._settled()
        self._answer(connection, {"error": problem} if problem else {})

    def _run(self, connection: Connection, program: Program, service: str) -> None:
        """Run a program to its end for a connection; if it is in a service's namespace, that service must run."""
        owner = self._tasks.get(service)
        if service and (owner is None or owner.code is not None):
            self._answer(connection, {"error": f"{service} is not running"})
        elif owner and namespaces.state_of(owner.pid) == "T":
            self._answer(connection, {"error": f"{service} is paused"})
        elif len(connection.descriptors) != OUTPUTS:
            self._answer(connection, {"error": "no descriptors for its output came"})
        else:
            connection.task = self._fork(program, connection.descriptors)
            connection.task.waiting.append(connection)
            if problem := self._settled():
                self._answer(connection, {"error": problem})

    def _fork(self, program: Program, output: Sequence[int]) -> Task:
        """A child that becomes the program; `_settled` tells when it is where it belongs."""
        function = None if needs_execution(program) else self._warm(program.argv[0])
        settled, settling = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(settled)
            self._become(program, output, settling)
            raise _Forked(lambda: run(program, function))
        os.close(settling)
        self._settling.append(settled)
        task = Task(program, pid, os.pidfd_open(pid))
        self._tasks[program.name] = task
        self._selector.register(task.descriptor, selectors.EVENT_READ, lambda: self._reap(task))
        return task

    def _settled(self) -> str:
        """Wait until all children are where they belong; what those said that cannot be there."""
        told = []
        while self._settling:
            with os.fdopen(self._settling.pop(0)) as pipe:
                told.append(pipe.read())
        return "; ".join(filter(None, told))

    def _become(self, program: Program, output: Sequence[int], settling: int) -> None:
        try:
            settle(program, output, self._inhabitant(program.namespace))
            self._leave()
        except BaseException as error:  # noqa: BLE001 - this process must not go on as a second supervisor
            os.write(settling, f"{program.name} cannot start: {error}".encode())
            os._exit(1)
        os.close(settling)

    def _inhabitant(self, namespace: str) -> int | None:
        """The process of the service that lives in a namespace."""
        tasks = (task for task in self._tasks.values() if task.program.service and task.code is None)
        return next((task.pid for task in tasks if task.program.namespace == namespace), None)

    def _leave(self) -> None:
        """In a child: let go of all that is the supervisor's."""
        self._selector.close()
        self._listener.close()
        for descriptor in self._settling:
            os.close(descriptor)
        for connection in self._connections:
            self._release(connection)
        for task in self._tasks.values():
            if task.code is None:
                os.close(task.descriptor)

    def _reap(self, task: Task) -> None:
        _, status = os.waitpid(task.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        task.code = code if code >= 0 else 128 - code
        self._selector.unregister(task.descriptor)
        os.close(task.descriptor)
        if task.program.service:
            self._dissolve(task.program.namespace)
        else:
            del self._tasks[task.program.name]
        for connection in task.waiting:
            self._answer(connection, {"code": task.code})

    @staticmethod
    def _dissolve(namespace: str) -> None:
        """A container ends with its main program, and its network with it."""
        try:
            namespaces.dissolve(namespace)
        except LabError as error:
            sys.stderr.write(f"{error}\n")

    def _signal(self, connection: Connection, name: str, number: int) -> None:
        task = self._tasks.get(name)
        if task is None or task.code is not None:
            self._answer(connection, {"error": f"{name} is not running"})
        else:
            # A service's program hands signals on as it likes; a tool is all that it started.
            (os.kill if task.program.service else os.killpg)(task.pid, number)
            self._answer(connection, {})

    @staticmethod
    def _warm(command: str) -> Callable[[], Any] | None:
        before = len(sys.modules)
        try:
            function = warm(command)
        except Exception:  # noqa: BLE001 - executed by itself, the command tells its user what is wrong with its code
            traceback.print_exc()
            return None
        if len(sys.modules) > before:
            gc.collect()
            gc.freeze()
        return function
