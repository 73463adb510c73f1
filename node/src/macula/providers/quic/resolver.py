"""DNS names of configured endpoints to addresses, without blocking the event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address

from macula.core.address import Address

THREADS = 4
MAX_WAITING = 64
"""Names that may be looked up or wait for it at once."""

_MAX_ANSWERS = 4

Answer = Callable[[tuple[Address, ...], tuple[str, ...]], None]
"""Takes the addresses, all of them IP literals, and what went wrong with names that have none."""


@dataclass(slots=True)
class _Job:
    addresses: tuple[Address, ...]
    answer: Answer
    timer: asyncio.TimerHandle
    missing: int
    found: dict[Address, tuple[Address, ...]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


class Resolver:
    """Look-ups in a few threads of its own; how many run and wait is bounded."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="macula-resolver")
        self._futures: set[asyncio.Future[tuple[Address, ...]]] = set()
        self._jobs: dict[int, _Job] = {}
        self._count = 0

    def resolve(self, addresses: tuple[Address, ...], timeout: float, answer: Answer) -> None:
        """Replace names by their addresses, in their order, within `timeout` seconds. `answer` is called once: at once
        if there are only literals, else from the event loop."""
        names = [address for address in dict.fromkeys(addresses) if not is_literal(address.host)]
        if not names:
            answer(addresses, ())
            return
        self._count += 1
        number = self._count
        timer = self._loop.call_later(timeout, self._give_up, number, f"no DNS answer within {timeout:g} s")
        self._jobs[number] = _Job(addresses, answer, timer, len(names))
        for name in names:
            self._look_up(number, name)

    def close(self, reason: str) -> None:
        """Give up what is waiting, with this reason; a thread that asks already ends by itself."""
        for number in list(self._jobs):
            self._give_up(number, reason)
        for future in self._futures:
            future.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _look_up(self, number: int, name: Address) -> None:
        if len(self._futures) >= MAX_WAITING:
            self._loop.call_soon(self._looked_up, number, name, (), "too many names are being looked up")
            return
        future = self._loop.run_in_executor(self._threads, look_up, name)
        self._futures.add(future)
        future.add_done_callback(partial(self._done, number, name))

    def _done(self, number: int, name: Address, future: asyncio.Future[tuple[Address, ...]]) -> None:
        self._futures.discard(future)
        if future.cancelled():
            return
        error = future.exception()
        self._looked_up(number, name, () if error else future.result(), str(error))

    def _looked_up(self, number: int, name: Address, found: tuple[Address, ...], reason: str) -> None:
        job = self._jobs.get(number)
        if job is None:
            return
        job.found[name] = found
        job.missing -= 1
        if not found:
            job.failures.append(f"{name}: {reason}")
        if not job.missing:
            self._finish(number)

    def _give_up(self, number: int, reason: str) -> None:
        job = self._jobs[number]
        for address in job.addresses:
            if not is_literal(address.host) and address not in job.found:
                job.found[address] = ()
                job.failures.append(f"{address}: {reason}")
        self._finish(number)

    def _finish(self, number: int) -> None:
        job = self._jobs.pop(number)
        job.timer.cancel()
        resolved = (literal for address in job.addresses for literal in job.found.get(address, (address,)))
        job.answer(tuple(dict.fromkeys(resolved)), tuple(job.failures))


def is_literal(host: str) -> bool:
    """Whether the host is an IP literal."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def look_up(name: Address) -> tuple[Address, ...]:
    """The addresses of a name, by the system's resolver; blocks. Raises OSError."""
    found = socket.getaddrinfo(name.host, name.port, type=socket.SOCK_DGRAM)
    addresses = dict.fromkeys(name._replace(host=str(entry[4][0])) for entry in found)
    return tuple(addresses)[:_MAX_ANSWERS]
