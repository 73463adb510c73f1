"""A command of the node's command line that runs in a service until it is ended, and its lines as they come."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from json import loads
from typing import Any

from macula_lab.engines.contract import Engine
from macula_lab.errors import LabError

AGAIN = 0.1
"""seconds until a command that ended with its node is tried again"""
_TOLD = ["sh", "-c", 'echo $$; exec "$@"', "sh"]
"""Tells the process, by which the command can be ended whatever the engine."""


class Program:
    """`macula ARGV --json` in a service, each line of which is given to `take` with the time at which it came."""

    def __init__(
        self, engine: Engine, service: str, argv: list[str], take: Callable[[Any, float], None], again: bool = False
    ) -> None:
        """`again`: it is begun anew when it ends, as with its node."""
        self._engine = engine
        self._service = service
        self._argv = argv
        self._take = take
        self._again = again
        self._process = ""
        self.said = ""
        """when it ended the last time"""
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{service}: {argv[0]}", daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether it is not there any more."""
        return not self._thread.is_alive()

    def end(self, within: float) -> None:
        """End it. Raises LabError when it does not end within so many seconds."""
        self._ending.set()
        if self._process:
            with suppress(LabError):  # its service does not run, and so neither does it
                self._engine.execute(self._service, ["sh", "-c", f"kill {self._process}"])
        self._thread.join(within)
        if not self.ended:
            raise LabError(f"`macula {' '.join(self._argv)}` in {self._service} does not end", "macula-lab ps")

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                self._read()
            except LabError as error:
                self.said = error.evidence or str(error)
            if not self._again or self._ending.wait(AGAIN):
                return

    def _read(self) -> None:
        lines = self._engine.stream(self._service, [*_TOLD, "macula", *self._argv, "--json"])
        try:
            self._process = next(lines, "")
            while True:
                self._take(loads(next(lines)), time.monotonic())
        except StopIteration as end:
            self.said = end.value.stderr
        finally:
            self._process = ""
            lines.close()
