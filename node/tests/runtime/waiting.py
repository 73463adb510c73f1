"""Waiting for what a node tells nobody of by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Ask again and again. Raises TimeoutError after 5 s."""
    async with asyncio.timeout(5):
        while not await condition():
            await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0.01)
