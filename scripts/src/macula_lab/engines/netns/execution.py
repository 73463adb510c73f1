"""Running a program in a namespace to its end, with its output."""

import codecs
import os
import selectors
import shlex
import socket
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass

from macula_lab.engines.contract import Finished
from macula_lab.engines.netns.client import Supervisor
from macula_lab.engines.netns.supervisor.program import Program
from macula_lab.errors import LabError

CHUNK = 1 << 16


@dataclass(slots=True)
class _Running:
    """A program that runs: what it has written so far, and where its end will be told."""

    supervisor: Supervisor
    connection: socket.socket
    outputs: tuple[int, int]
    """where its stdout and its stderr can be read"""
    selector: selectors.DefaultSelector
    received: dict[int, bytes]
    code: int | None = None

    def wait(self, deadline: float | None) -> None:
        """Return when something was written or the program ended. Raises TimeoutError at the deadline."""
        rest = None if deadline is None else max(0.0, deadline - time.monotonic())
        sources = [key.fileobj for key, _ in self.selector.select(rest)]
        if not sources:
            raise TimeoutError
        if self.connection in sources:
            self.code = self.supervisor.answer(self.connection)["code"]
            # What it left running may hold its output open: what is there by now is all.
            sources = list(self.outputs)
        for output in self.outputs:
            while output in sources and (data := _read(output)):
                self.received[output] += data
            if output in sources and data == b"":
                self._forget(output)

    def _forget(self, output: int) -> None:
        if output in self.selector.get_map():
            self.selector.unregister(output)


def _read(output: int) -> bytes | None:
    """What can be read now: nothing at its end, None before it."""
    try:
        return os.read(output, CHUNK)
    except BlockingIOError:
        return None


def run(supervisor: Supervisor, program: Program, service: str, timeout: float) -> Finished:
    """A program's end and output. Raises LabError when it takes longer than `timeout` seconds, which ends it."""
    deadline = time.monotonic() + timeout
    with _running(supervisor, program, service) as running:
        try:
            while running.code is None:
                running.wait(deadline)
        except TimeoutError:
            where = service or program.hostname
            raise LabError(
                f"`{shlex.join(program.argv)}` in {where} did not end within {timeout:g} s",
                evidence=_text(running.received[running.outputs[1]]),
            ) from None
        stdout, stderr = (_text(running.received[output]) for output in running.outputs)
        return Finished(running.code, stdout, stderr)


def lines(supervisor: Supervisor, program: Program, service: str) -> Generator[str, None, Finished]:
    """The lines of a program's stdout as they come; close() ends it. Returns its end with its stderr."""
    with _running(supervisor, program, service) as running:
        out, err = running.outputs
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        pending = ""
        while running.code is None:
            running.wait(None)
            pending += decoder.decode(running.received[out], final=running.code is not None)
            running.received[out] = b""
            *whole, pending = pending.split("\n")
            yield from whole
        if pending:
            yield pending
        return Finished(running.code, "", _text(running.received[err]))


@contextmanager
def _running(supervisor: Supervisor, program: Program, service: str) -> Iterator[_Running]:
    with ExitStack() as stack:
        pipes = [os.pipe(), os.pipe()]
        for reading, _ in pipes:
            os.set_blocking(reading, False)
            stack.callback(os.close, reading)
        try:
            request = {"do": "run", "program": asdict(program), "service": service}
            connection = stack.enter_context(supervisor.asked(request, [writing for _, writing in pipes]))
        finally:
            for _, writing in pipes:
                os.close(writing)
        selector = stack.enter_context(selectors.DefaultSelector())
        out, err = (reading for reading, _ in pipes)
        for source in (connection, out, err):
            selector.register(source, selectors.EVENT_READ)
        yield _Running(supervisor, connection, (out, err), selector, {out: b"", err: b""})


def _text(output: bytes) -> str:
    return output.decode(errors="replace")
