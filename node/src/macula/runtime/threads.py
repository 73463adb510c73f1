"""Threads for handlers that are plain functions."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any


class Threads:
    """At most `count` functions at once; further ones wait in the event loop, where they can be cancelled.

    Python cannot stop a thread: a function that never returns keeps its thread, and the process, from ending.
    """

    def __init__(self, count: int) -> None:
        self._free = asyncio.Semaphore(count)
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="macula-handler")

    async def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """The function's result, run in the caller's context. Raises what it raises. Cancelled while it runs, it keeps
        its thread to its end."""
        await self._free.acquire()
        loop = asyncio.get_running_loop()

        def ended(_: Future[Any]) -> None:
            # The loop may be gone by the time a function that nobody waits for any more returns.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._free.release)

        future = self._pool.submit(copy_context().run, function, *args)
        future.add_done_callback(ended)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Start nothing any more; what runs goes on to its end."""
        self._pool.shutdown(wait=False, cancel_futures=True)
