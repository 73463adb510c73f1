"""Commands in containers: to their end, line by line, or in the background until they are stopped.

The containers need a shell: a process can be ended from within its container only, by the process id it has there,
which nobody but the process itself can tell.
"""

import codecs
import shlex
import socket
import struct
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from typing import Any, BinaryIO

from docker.api import APIClient
from docker.utils.socket import STDOUT

from macula_lab.engines.contract import Finished
from macula_lab.errors import LabError

EXIT_CODE_DEADLINE = 5.0
"""Seconds from the end of a command's output until the engine knows its exit code; it is milliseconds."""

END_DEADLINE = 10.0

_HEADER = struct.Struct(">BxxxL")

_BEGIN = 'echo $$; exec "$@"'
"""Tells the process id, then becomes the command. The engine makes it the leader of a process group of its own."""

_SPAWNED = "/run/spawned"
"""The process ids of what `spawn` started and `end_spawned` did not end yet: another process may do that."""

_BEGIN_SPAWNED = f'echo $$ >> {_SPAWNED}; echo $$; exec "$@" >> output 2>&1'

_END = """for p; do kill -s TERM -- "-$p"; done; n=0
for p; do while [ $n -lt 40 ] && kill -s 0 -- "-$p"; do sleep 0.05; n=$((n + 1)); done; kill -s KILL -- "-$p"; done"""
"""SIGTERM to process groups, SIGKILL to what is left of them after 2 s."""

_END_SPAWNED = f"[ -e {_SPAWNED} ] || exit 0; set -- $(cat {_SPAWNED}); rm {_SPAWNED}\n{_END}"


class Execution:
    """A command that runs in a container."""

    def __init__(self, api: APIClient, container: str, argv: Sequence[str], begin: str = _BEGIN) -> None:
        self._api = api
        self._container = container
        self._id = api.exec_create(container, ["sh", "-c", begin, "sh", *argv])["Id"]
        stream: Any = api.exec_start(self._id, socket=True)
        self._response = stream._response
        # Not docker-py's frames_iter: it reads from the socket itself and so loses what came in one packet with the
        # response's headers (docker-py issue 3332).
        reader = self._response.raw._fp.fp
        self._socket: socket.socket = reader.raw._sock
        self._socket.settimeout(None)
        self._frames = _frames(reader)
        self._pid, self._early = self._begun()

    def output(self) -> Iterator[tuple[bool, bytes]]:
        """Its output as it comes: whether it is stdout, and the bytes. To be called once."""
        for kind, data in chain(self._early, self._frames):
            yield kind == STDOUT, data

    def code(self) -> int:
        """Its exit code, once its output has ended."""
        end = time.monotonic() + EXIT_CODE_DEADLINE
        while (inspected := self._api.exec_inspect(self._id))["Running"] and time.monotonic() < end:
            time.sleep(0.01)
        return int(inspected["ExitCode"] or 0)

    def end(self) -> None:
        """End the command, with what it started; harmless when it has ended. From any thread: output() ends, too."""
        if self._pid:
            with _command(self._api, self._container, ["sh", "-c", _END, "sh", self._pid]) as ending:
                list(ending.output())
        with suppress(OSError):  # what it left running may hold its output open
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the connection back."""
        self._response.close()

    def _begun(self) -> tuple[str, list[tuple[int, bytes]]]:
        """The command's process id, and what came with it: stderr, which is another pipe, may even come before."""
        told, early = b"", []
        for kind, data in self._frames:
            if kind != STDOUT:
                early.append((kind, data))
                continue
            told += data
            if b"\n" in told:
                break
        pid, _, rest = told.partition(b"\n")
        # The engine itself says it, in this place, when it could not start a shell there.
        return (text(pid), [*early, (STDOUT, rest)]) if pid.isdigit() else ("", [*early, (STDOUT, told)])


def _frames(reader: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """What a command writes, as Docker's attach protocol frames it: the stream's number, and the bytes."""
    while len(header := reader.read(_HEADER.size)) == _HEADER.size:
        kind, length = _HEADER.unpack(header)
        yield kind, reader.read(length)


@contextmanager
def _command(api: APIClient, container: str, argv: Sequence[str], begin: str = _BEGIN) -> Iterator[Execution]:
    execution = Execution(api, container, argv, begin)
    try:
        yield execution
    finally:
        execution.close()


def run(api: APIClient, container: str, argv: Sequence[str], timeout: float) -> Finished:
    """Run a command to its end. Raises LabError when it takes longer than `timeout` seconds, which ends it."""
    written = {True: bytearray(), False: bytearray()}
    late = threading.Event()
    with _command(api, container, argv) as execution:

        def stop() -> None:
            late.set()
            execution.end()

        timer = threading.Timer(timeout, stop)
        timer.start()
        try:
            for is_stdout, data in execution.output():
                written[is_stdout] += data
        finally:
            timer.cancel()
            timer.join()
        stdout, stderr = text(written[True]), text(written[False])
        if late.is_set():
            raise LabError(f"`{shlex.join(argv)}` did not end within {timeout:g} s", evidence=stderr or stdout)
        return Finished(execution.code(), stdout, stderr)


def lines(api: APIClient, container: str, argv: Sequence[str]) -> Generator[str, None, Finished]:
    """The lines of a command's stdout as they come; close() ends the command. Returns how it ended, with its stderr."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    pending, errors = "", bytearray()
    with _command(api, container, argv) as execution:
        try:
            for is_stdout, data in execution.output():
                if not is_stdout:
                    errors += data
                    continue
                *complete, pending = (pending + decoder.decode(data)).split("\n")
                yield from complete
            if pending:
                yield pending
        except GeneratorExit:
            execution.end()
            raise
        return Finished(execution.code(), "", text(errors))


def spawn(api: APIClient, container: str, argv: Sequence[str]) -> None:
    """Start a command that goes on running and writes to the file `output` where it runs."""
    with _command(api, container, argv, _BEGIN_SPAWNED):
        return


def end_spawned(api: APIClient, container: str) -> None:
    """End what was spawned, with what it started: SIGTERM, after 2 s SIGKILL; nothing to end is no error."""
    run(api, container, ["sh", "-c", _END_SPAWNED], END_DEADLINE)


def text(output: bytes | bytearray | None) -> str:
    """A program's output as text, whatever bytes it holds."""
    return bytes(output or b"").decode(errors="replace")
