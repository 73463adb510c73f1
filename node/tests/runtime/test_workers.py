from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar

import pytest

from macula.core.deliveries import CallDelivery
from macula.identity import NodeId
from macula.runtime.workers import MOST_IDLE, Workers

Handler = Callable[[], Awaitable[None]]
CALL = CallDelivery("org.test.work", b"", NodeId(bytes(32)), "org.test", 0.0)
ANSWER = ContextVar("ANSWER", default=0)


class Office:
    """Workers and what came of each call: `done` and `cancelled` have their numbers in order."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self.workers = Workers(tasks, self._run, self._cancelled)
        self.handlers: list[Handler] = []
        self.done: list[int] = []
        self.cancelled: list[int] = []
        self._ended = asyncio.Condition()

    def put(self, handler: Handler) -> int:
        self.handlers.append(handler)
        self.workers.put(len(self.handlers) - 1, CALL)
        return len(self.handlers) - 1

    async def all(self) -> None:
        """Every handler has ended."""
        async with asyncio.timeout(10):
            while len(self.done) + len(self.cancelled) < len(self.handlers):
                await turn()

    async def _run(self, number: int, call: CallDelivery) -> None:
        assert call is CALL
        await self.handlers[number]()
        self.done.append(number)

    def _cancelled(self, number: int) -> None:
        self.cancelled.append(number)


async def turn() -> None:
    """Once around the loop."""
    around = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(around.set_result, None)
    await around


@asynccontextmanager
async def office() -> AsyncIterator[Office]:
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        office = Office(tasks)
        try:
            yield office
        finally:
            office.workers.close()


async def forever() -> None:
    await asyncio.Event().wait()


async def nothing() -> None:
    pass


async def test_handlers_that_never_wait_share_a_task_and_one_turn_and_run_in_order() -> None:
    seen: set[asyncio.Task[None] | None] = set()

    async def look() -> None:
        seen.add(asyncio.current_task())

    async with office() as it:
        for _ in range(1000):
            it.put(look)
        assert not seen
        await turn()
        assert it.done == [*range(1000)]
        it.put(look)
        await it.all()
        assert len(seen) == 1
        assert it.workers.idle == 1


async def test_handlers_that_wait_run_side_by_side() -> None:
    together = asyncio.Barrier(200)

    async def meet() -> None:
        await together.wait()

    async with office() as it:
        for _ in range(200):
            it.put(meet)
        for _ in range(10):
            await turn()
        assert sorted(it.done) == [*range(200)]


async def test_few_tasks_are_kept_for_later() -> None:
    async with office() as it:
        before = len(asyncio.all_tasks())
        for _ in range(100):
            it.put(turn)
        await it.all()
        await turn()
        assert it.workers.idle == MOST_IDLE
        assert len(asyncio.all_tasks()) == before + MOST_IDLE
    assert it.workers.idle == 0


async def test_one_that_waits_holds_nobody_up() -> None:
    async with office() as it:
        stuck = it.put(forever)
        for _ in range(5):
            it.put(nothing)
        for _ in range(2):
            await turn()
        assert it.done == [1, 2, 3, 4, 5]
        it.workers.cancel(stuck)
        await it.all()
        assert it.cancelled == [stuck]


async def test_what_a_handler_leaves_in_context_variables_no_other_sees() -> None:
    seen: list[int] = []

    async def leave() -> None:
        seen.append(ANSWER.get())
        ANSWER.set(42)
        await turn()
        seen.append(ANSWER.get())
        ANSWER.set(43)

    async with office() as it:
        ANSWER.set(7)  # nor what was set where the call came from
        for _ in range(3):
            it.put(leave)
        await it.all()
        it.put(leave)
        await it.all()
    assert sorted(seen) == [0] * 4 + [42] * 4


async def test_a_cancelled_handler_is_told_and_its_number_is() -> None:
    told: list[str] = []

    async def wait() -> None:
        try:
            await forever()
        finally:
            told.append("cancelled")

    async with office() as it:
        number = it.put(wait)
        await turn()
        it.workers.cancel(number)
        it.put(nothing)
        await it.all()
        assert (told, it.cancelled, it.done) == (["cancelled"], [number], [1])
        it.workers.cancel(number)
        it.put(nothing)
        await it.all()
        assert it.done == [1, 2]


async def test_one_that_is_cancelled_before_it_begins_never_runs() -> None:
    async with office() as it:
        number = it.put(nothing)
        it.put(nothing)
        it.workers.cancel(number)
        await it.all()
        assert (it.cancelled, it.done) == ([number], [1])


async def test_a_cancellation_of_its_own_making_ends_a_handler_and_nothing_else() -> None:
    async def raise_it() -> None:
        raise asyncio.CancelledError

    async with office() as it:
        it.put(raise_it)
        it.put(nothing)
        await it.all()
        assert (it.cancelled, it.done, it.workers.idle) == ([0], [1], 1)


@pytest.mark.parametrize("waits", [False, True])
async def test_a_cancellation_that_a_handler_ignores_hits_no_other(waits: bool) -> None:
    async with office() as it:

        async def ignore() -> None:
            it.workers.cancel(0)
            if waits:
                with pytest.raises(asyncio.CancelledError):
                    await forever()

        it.put(ignore)
        it.put(turn)
        await it.all()
        assert (it.done, it.cancelled) == ([0, 1], [])


@pytest.mark.parametrize("woken", [False, True])
async def test_who_cancels_the_task_of_a_handler_that_has_ended_keeps_no_other_from_running(woken: bool) -> None:
    tasks: list[asyncio.Task[None] | None] = []

    async def leaves_its_task() -> None:
        tasks.append(asyncio.current_task())

    async with office() as it:
        it.put(leaves_its_task)
        await it.all()
        if woken:
            it.put(nothing)
        (task,) = tasks
        assert task is not None and task.cancel()
        for _ in range(3):
            it.put(nothing)
        await it.all()
        assert (it.done, it.cancelled) == ([0, 1, 2, 3, 4] if woken else [0, 1, 2, 3], [])


async def test_timeouts_and_task_groups_in_handlers_do_what_they_do_in_any_task() -> None:
    raised: list[type[BaseException]] = []

    async def too_late() -> None:
        try:
            async with asyncio.timeout(0):
                await forever()
        except TimeoutError:
            raised.append(TimeoutError)

    async def failing() -> None:
        raise KeyError

    async def group() -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(failing())
                await forever()
        except* KeyError:
            raised.append(KeyError)

    async with office() as it:
        it.put(too_late)
        it.put(group)
        await it.all()
        it.put(turn)
        await it.all()
        assert sorted(it.done) == [0, 1, 2]
        assert set(raised) == {TimeoutError, KeyError}


async def test_calls_that_come_of_handlers_do_not_keep_the_loop_to_themselves() -> None:
    over = False

    def end() -> None:
        nonlocal over
        over = True

    async with office() as it:

        async def one_more() -> None:
            if not over:
                it.put(one_more)

        it.put(one_more)
        asyncio.get_running_loop().call_soon(asyncio.get_running_loop().call_soon, end)
        await it.all()
        assert over


async def test_the_name_of_a_task_tells_what_it_waits_for() -> None:
    def names() -> list[str]:
        return sorted(task.get_name() for task in asyncio.all_tasks() - {asyncio.current_task()})

    async with office() as it:
        it.put(forever)
        await turn()
        assert names() == ["call org.test.work"]
        it.workers.cancel(0)
        it.put(turn)
        await it.all()
        assert names() == ["handlers"]


async def test_closing_cancels_what_runs_and_what_waits_and_keeps_no_task() -> None:
    async with office() as it:
        it.put(nothing)
        await it.all()
        it.put(forever)
        await turn()
        it.put(nothing)
    assert (it.done, sorted(it.cancelled), it.workers.idle) == ([0], [1, 2], 0)


@pytest.mark.parametrize("seed", range(20))
async def test_whatever_handlers_do_each_ends_once(seed: int) -> None:
    rng = random.Random(seed)

    async def wait() -> None:
        for _ in range(rng.randrange(4)):
            await turn()

    async def again() -> None:
        await wait()
        if len(it.handlers) < 500:
            it.put(rng.choice([wait, again, nothing]))

    async def stubborn() -> None:
        try:
            await forever()
        except asyncio.CancelledError:
            await wait()

    async with office() as it:
        endless: list[int] = []
        for _ in range(rng.randrange(100)):
            for _ in range(rng.randrange(5)):
                it.put(rng.choice([nothing, wait, again]))
            if rng.random() < 0.3:
                endless.append(it.put(rng.choice([forever, stubborn])))
            if rng.random() < 0.3:
                it.workers.cancel(rng.randrange(len(it.handlers) + 1))
            if rng.random() < 0.5:
                await turn()
        for number in endless:
            it.workers.cancel(number)
        await it.all()
        assert sorted(it.done + it.cancelled) == [*range(len(it.handlers))]
        assert it.workers.idle <= MOST_IDLE
