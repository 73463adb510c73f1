"""Two peers that talk all the time: calls both ways, and events from the first for the second."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from typing import Any

from macula_lab.errors import LabError
from macula_lab.matrix.traffic import FIRST, LAST_EVENT, PROCEDURE, SECOND, TOPIC
from macula_lab.mesh.expectation import Path
from macula_lab.mesh.mesh import Mesh
from macula_lab.mesh.series import SeriesClock
from macula_lab.recovery.outcome import Events, Turn
from macula_lab.waiting import until

INTERVAL = 0.05
CALL_TIMEOUT = 10.0
"""seconds for one call: longer than any recovery, so that a call which times out has hung"""
LISTENING = 10.0
_MANY = 100_000


class Conversation:
    """Goes on until it is closed. What was said so far may be looked at any time."""

    def __init__(self, mesh: Mesh, ids: dict[str, str]) -> None:
        """`ids`: the node id of each peer."""
        self._mesh = mesh
        self._ids = ids
        self._closed = threading.Event()
        self._listens = threading.Event()
        self.forth: list[Turn] = []
        self.back: list[Turn] = []
        self._acknowledged: set[int] = set()
        self._received: list[int] = []

    @property
    def events(self) -> Events:
        """So far."""
        return Events(frozenset(self._acknowledged), tuple(self._received))

    def start(self, pool: ThreadPoolExecutor, within: float) -> list[Future[None]]:
        """Begin to talk. Raises LabError if the second peer does not listen within so many seconds."""
        listening = pool.submit(self._listen)
        if not self._listens.wait(within):
            raise LabError(f"{SECOND} does not subscribe to {TOPIC}", f"macula-lab logs {SECOND}")
        return [
            listening,
            pool.submit(self._call, FIRST, SECOND, self.forth),
            pool.submit(self._call, SECOND, FIRST, self.back),
            pool.submit(self._publish),
        ]

    def close(self) -> None:
        """Say no more, and wait for what is on its way: each one ends with the line that it waits for."""
        self._closed.set()
        until(lambda: not self.events.lost, LAST_EVENT)

    def _call(self, caller: str, provider: str, turns: list[Turn]) -> None:
        argv = ("call", PROCEDURE, "--to", self._ids[provider], "--timeout", str(CALL_TIMEOUT))
        for line in self._lines(caller, *argv, *_series()):
            now = time.monotonic()
            if line["number"] == 1:
                clock = SeriesClock()
            error = str(line["error"]["code"]) if "error" in line else ""
            turns.append(Turn(clock.began(line, now), now, line.get("path", Path.NONE), error))

    def _publish(self) -> None:
        numbers = count()
        for line in self._lines(FIRST, "publish", TOPIC, "--qos", "1", *_series()):
            number = next(numbers)
            if line.get("delivered"):
                self._acknowledged.add(number)

    def _listen(self) -> None:
        try:
            for line in self._mesh.stream(SECOND, ["subscribe", TOPIC]):
                self._listens.set()
                if "sequence" in line:
                    self._received.append(line["sequence"])
        except LabError:
            return  # the peer was ended

    def _lines(self, service: str, *argv: str) -> Iterator[dict[str, Any]]:
        """What a series prints. One that ends before the conversation does, as by a pause, is begun again."""
        while not self._closed.is_set():
            stream = self._mesh.stream(service, argv)
            try:
                for line in stream:
                    if self._closed.is_set():
                        return
                    if "number" in line:
                        yield line
            except LabError:
                if self._closed.wait(INTERVAL):
                    return
            finally:
                stream.close()


@contextmanager
def conversation(mesh: Mesh, ids: dict[str, str], within: float = LISTENING) -> Iterator[Conversation]:
    """Two peers that talk while the block runs; they are ended with it. Raises what made one of them say nothing."""
    spoken = Conversation(mesh, ids)
    with ThreadPoolExecutor(4) as pool:
        try:
            running = spoken.start(pool, within)
            yield spoken
        finally:
            spoken.close()
            for peer in (FIRST, SECOND):
                mesh.engine.kill(peer)
    for one in running:
        one.result()


def _series() -> tuple[str, ...]:
    return ("--count", str(_MANY), "--interval", str(INTERVAL))
