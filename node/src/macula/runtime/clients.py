"""A server whose clients are bounded in number and end with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Accept = Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]
Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

CLOSE_DEADLINE = 5.0
"""Seconds for a client to read the end of its answer."""


@asynccontextmanager
async def serving(
    start: Callable[[Accept], Awaitable[asyncio.Server]],
    handle: Handle,
    refuse: Callable[[asyncio.StreamWriter], None],
    max_clients: int,
) -> AsyncIterator[asyncio.Server]:
    """Serve inside the block; at its end every client's task is cancelled and awaited.

    `start` makes the server with start_serving=False; `handle` runs for each client and must not raise; `refuse` is for
    one too many and must not wait. Raises what `start` does.
    """
    group = asyncio.TaskGroup()
    clients: set[asyncio.Task[None]] = set()

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handle(reader, writer)
            writer.close()
            async with asyncio.timeout(CLOSE_DEADLINE):
                await writer.wait_closed()
        except OSError:
            pass  # the client went first, or does not read its answer
        finally:
            writer.transport.abort()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(clients) < max_clients:
            task = group.create_task(run(reader, writer))
            clients.add(task)
            task.add_done_callback(clients.discard)
        else:
            refuse(writer)
            writer.close()

    server = await start(accept)
    async with group:
        await server.start_serving()
        try:
            yield server
        finally:
            server.close()
            for task in clients:
                task.cancel()
