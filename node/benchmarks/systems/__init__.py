"""What is measured, each doing the same work: a node, bare aioquic (the floor), and messaging systems by others.

A system is a module with the functions of `System`. One that is not installed is left out, which the table says.
Places are what the other side needs to connect: an address, and a certificate where the system checks one.
"""

from __future__ import annotations

import importlib
import importlib.util
import shutil
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, cast

INSTALL = "make bench-setup"
"""Installs what can be compared."""

Call = Callable[[], Awaitable[object]]
Send = Callable[[int], Awaitable[object]]
"""Sends so many chunks of nodes.CHUNK bytes; returns when all of them have come."""
Close = Callable[[], Awaitable[object]]
Open = Callable[[], Awaitable[Close]]
"""Makes a new connection, makes a call on it, and returns what closes it."""


class System(Protocol):
    """`serving` and `publishing` run in a process of their own, each of the others in another."""

    def serving(self, work: str) -> AbstractAsyncContextManager[str]:
        """Echo calls and take chunks at the place that is given. `work` is the benchmark's name."""
        ...

    def calling(self, place: str) -> AbstractAsyncContextManager[Call]:
        """Calls with nodes.PAYLOAD."""
        ...

    def sending(self, place: str) -> AbstractAsyncContextManager[Send]:
        """Sends chunks."""
        ...

    def opening(self, place: str) -> AbstractAsyncContextManager[Open]:
        """New connections."""
        ...

    def publishing(self) -> AbstractAsyncContextManager[tuple[str, Call]]:
        """A place for subscribers, and what publishes nodes.PAYLOAD to them."""
        ...

    def subscribing(self, place: str, arrived: Callable[[], None]) -> AbstractAsyncContextManager[None]:
        """One subscriber; `arrived` is called for each event, from any thread."""
        ...


@dataclass(frozen=True, slots=True)
class _Needs:
    module: str
    packages: Sequence[str] = ()
    programs: Sequence[str] = ()


NODE, FLOOR = "macula", "aioquic"
_SYSTEMS = {
    NODE: _Needs("mesh"),
    FLOOR: _Needs("floor"),
    "grpc.aio": _Needs("grpc_aio", ["grpc"]),
    "nats": _Needs("nats_py", ["nats"], ["nats-server"]),
    "zenoh": _Needs("zenoh_py", ["zenoh"]),
}


def load(name: str) -> System:
    """One of those that are installed."""
    return cast("System", importlib.import_module(f"benchmarks.systems.{_SYSTEMS[name].module}"))


def installed(others: Collection[str] | None = None) -> list[str]:
    """Those that can be measured here: a node, the floor and of the others only these, if they are named."""
    wanted = _SYSTEMS if others is None else (NODE, FLOOR, *others)
    return [name for name in _SYSTEMS if name in wanted and not missing(name)]


def left_out() -> dict[str, str]:
    """Those that cannot, with what they need."""
    return {name: what for name in _SYSTEMS if (what := missing(name))}


def missing(name: str) -> str:
    """What a system lacks here; empty if nothing."""
    needs = _SYSTEMS[name]
    packages = [package for package in needs.packages if importlib.util.find_spec(package) is None]
    return ", ".join([*packages, *(program for program in needs.programs if shutil.which(program) is None)])
