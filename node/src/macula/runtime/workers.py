"""Handlers of calls share tasks: one that never waits costs no task of its own."""

from __future__ import annotations

import asyncio
import types
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import copy_context
from typing import Any

from msgspec import Struct

from macula.core.deliveries import CallDelivery

MOST_IDLE = 16
"""Tasks that are kept for calls to come."""
AT_ONCE = 2
"""Workers that are woken when one has to wait: of n handlers that all wait each begins within log2(n) turns of the
loop, and no more than that are woken in vain."""


class _Job(Struct, eq=False):
    """`task` is that of the worker that has begun with it."""

    number: int
    call: CallDelivery
    task: asyncio.Task[None] | None = None
    given_up: bool = False


class Workers:
    """Tasks that run one handler after the other, each as if it had a task of its own: what it leaves in context
    variables no other sees, it can be cancelled, and while it waits others go on.

    Handlers begin in the order of their calls, in a later turn of the loop, however many there are. Their task goes on
    to others: what cancels it when its handler has ended hits one of those.
    """

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        run: Callable[[int, CallDelivery], Coroutine[Any, Any, None]],
        cancelled: Callable[[int], None],
    ) -> None:
        """`run` handles a call, named by its number, and must raise nothing but CancelledError. After that, and for a
        call that is cancelled before it has begun, `cancelled` is called."""
        self._tasks = tasks
        self._run = run
        self._cancelled = cancelled
        self._context = copy_context()
        self._jobs: dict[int, _Job] = {}
        self._waiting: deque[_Job] = deque()
        self._idle: list[asyncio.Future[None]] = []
        self._most_idle = MOST_IDLE
        self._woken = 0
        """Workers that will look for calls in the next turn. There is one whenever a call waits."""

    @property
    def idle(self) -> int:
        """Tasks that wait for calls."""
        return len(self._idle)

    def put(self, number: int, call: CallDelivery) -> None:
        """Handle this soon."""
        job = self._jobs[number] = _Job(number, call)
        self._waiting.append(job)
        if not self._woken:
            self._wake()

    def cancel(self, number: int) -> None:
        """Cancel a handler, whether or not it has begun; harmless for one that has ended."""
        if job := self._jobs.get(number):
            self._give_up(job)

    def close(self) -> None:
        """Cancel all handlers, and keep no task any more."""
        self._most_idle = 0
        for job in self._jobs.values():
            self._give_up(job)
        for idle in self._idle:
            idle.cancel()
        self._idle.clear()

    def _give_up(self, job: _Job) -> None:
        job.given_up = True
        if job.task is not None:
            job.task.cancel()

    def _wake(self) -> None:
        self._woken += 1
        while self._idle:
            idle = self._idle.pop()
            if not idle.cancelled():
                idle.set_result(None)
                return
        self._tasks.create_task(self._work(), name="handlers")

    async def _work(self) -> None:
        task, waiting = asyncio.current_task(), self._waiting
        assert task is not None
        while True:
            self._woken -= 1
            # Calls that come of what handlers do now are for the next turn: they must not keep the loop to themselves.
            for _ in range(len(waiting)):
                if not waiting:
                    break
                job = waiting.popleft()
                job.task = task
                try:
                    await self._handle(job, task)
                except asyncio.CancelledError:
                    self._cancelled(job.number)
                del self._jobs[job.number]
                if task.cancelling():
                    # The handler may have ended before it noticed; the next one must not be hit instead.
                    if waiting and not self._woken:
                        self._wake()
                    return
            if len(self._idle) >= self._most_idle:
                return
            idle = asyncio.get_running_loop().create_future()
            self._idle.append(idle)
            try:
                await idle
            except asyncio.CancelledError:
                if not idle.cancelled():
                    # It had been woken: another one must look for the calls in its place.
                    self._woken -= 1
                    if waiting and not self._woken:
                        self._wake()
                raise

    @types.coroutine
    def _handle(self, job: _Job, task: asyncio.Task[None]) -> Generator[Any, Any, None]:
        """Awaits a handler in a context of its own. When it has to wait, others are woken for the calls behind it."""
        if job.given_up:
            raise asyncio.CancelledError
        context, handler = self._context.copy(), self._run(job.number, job.call)
        try:
            awaited = context.run(handler.send, None)
            task.set_name(f"call {job.call.procedure}")
            while True:
                for _ in range(min(AT_ONCE, len(self._waiting) - self._woken)):
                    self._wake()
                try:
                    yield awaited
                except BaseException as error:  # noqa: BLE001 - the handler's to see, as it would be without this
                    awaited = context.run(handler.throw, error)
                else:
                    awaited = context.run(handler.send, None)
        except StopIteration:
            task.set_name("handlers")
