"""Futures of commands that are under way: the only futures there are."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any

from macula.core.effects import Completed
from macula.errors import MeshError


class Waiters:
    """One future for each command id."""

    def __init__(self) -> None:
        self._futures: dict[int, asyncio.Future[Any]] = {}
        self.ids = count(1)
        """Ids of commands; nobody waits for the Completed of one that is drawn here."""

    def new(self) -> tuple[int, asyncio.Future[Any]]:
        """An id and the future that its Completed will resolve."""
        id_ = next(self.ids)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._futures[id_] = future
        return id_, future

    def resolve(self, completed: Completed) -> None:
        """A command ended. One that nobody waits for any more is ignored."""
        future = self._futures.pop(completed.id, None)
        if future is None or future.done():
            return
        if completed.error is not None:
            future.set_exception(completed.error)
        else:
            future.set_result(completed.result)

    def fail_all(self, error: MeshError) -> None:
        """The node is gone."""
        futures, self._futures = self._futures, {}
        for future in futures.values():
            if not future.done():
                future.set_exception(error)
                # Nobody may be waiting; without this the loop would complain about an error never looked at.
                future.exception()
