"""A fake mesh served on a real control socket by a thread, since the command line blocks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from macula.cli.node import serve_node
from macula.config import Settings
from runtime.fake_mesh import FakeMesh


class RunningNode:
    """Runs until the block ends; `mesh` belongs to the thread's loop."""

    def __init__(self, data_dir: Path) -> None:
        self.mesh = FakeMesh()
        self.settings = Settings(data_dir=data_dir, health_port=0)
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> RunningNode:
        self._thread.start()
        assert self._started.wait(10)
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
        self._thread.join(10)
        assert not self._thread.is_alive()

    def stop(self) -> None:
        """Ask it to end."""
        self.do(self._stop.set)

    def do(self, what: Callable[[], None]) -> None:
        """In its loop, if that still runs."""
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(what)

    def wait_for(self, event: asyncio.Event) -> None:
        asyncio.run_coroutine_threadsafe(asyncio.wait_for(event.wait(), 10), self.loop).result()

    async def _run(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(serve_node(self.mesh, self.settings, self._stop))
            # serve_node has bound its socket before it first waits.
            self.loop.call_soon(self._started.set)
