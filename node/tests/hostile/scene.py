"""A victim, a good node that is connected to it, and what is looked at while somebody attacks and after it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

import macula
from macula.core.address import Address
from macula.core.commands import Status
from macula.core.results import NodeStatus
from macula.identity import Identity, NodeId
from macula.providers.quic.endpoint import Endpoint
from macula.runtime.logs import TraceLog

from .attacker import Attacker, attacking
from .footprint import endpoint_of, footprint

REALM = "org.test"
ECHO = "org.test.echo"


class Clock:
    """The monotonic clock of the log."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Scene:
    """`log_clock` is what a minute of the log is measured with."""

    victim: macula.Mesh
    good: macula.Mesh
    place: Address
    log: pytest.LogCaptureFixture
    log_clock: Clock
    since: tuple[float, float] = (0.0, 0.0)
    calls: int = 0

    def attack(self, who: Identity, **how: Any) -> AbstractAsyncContextManager[Attacker]:
        """A connection of an attacker to the victim."""
        return attacking(self.place, who, REALM, **how)

    async def works(self) -> None:
        """The two good nodes call each other, over the connection that they have had from the start."""
        for caller, provider in ((self.good, self.victim), (self.victim, self.good)):
            self.calls += 1
            assert await caller.call_to(provider.node_id, ECHO, self.calls, timeout=5) == self.calls
        since = (await _since(self.victim, self.good), await _since(self.good, self.victim))
        assert since == self.since

    def warnings(self, peer: NodeId | str) -> list[tuple[str, str]]:
        """Event and code or reason of every warning about a peer, oldest first."""
        name = peer.short if isinstance(peer, NodeId) else peer
        fields = [(record.getMessage(), vars(record)["fields"]) for record in self.log.records if _is_warning(record)]
        return [(event, each.get("code") or each["reason"]) for event, each in fields if each.get("peer") == name]

    @property
    def endpoint(self) -> Endpoint:
        """The victim's transport."""
        return endpoint_of(self.victim)

    async def eventually(self, holds: Callable[[], bool], what: Callable[[], object] = lambda: "") -> None:
        """Return when something holds; good calls are made meanwhile. Else `what` is told."""
        try:
            async with asyncio.timeout(15):
                while not holds():
                    await self.works()
        except TimeoutError:
            raise AssertionError(f"does not come to hold: {what()}") from None


@asynccontextmanager
async def scene(
    log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, **settings: Any
) -> AsyncIterator[Scene]:
    """Two nodes that are connected and serve ECHO; the victim has these settings. At the end it must hold no more for
    others than at the start."""
    clock = Clock()
    monkeypatch.setattr("macula.api.TraceLog", partial(TraceLog, clock=clock))
    log.set_level(logging.INFO, "macula")
    async with macula.connect(REALM, "victim", host="127.0.0.1", **settings) as victim:
        place = (await victim.status())["listen"]
        async with macula.connect(REALM, "good", [place], host="127.0.0.1") as good:
            for node in (victim, good):
                await node.advertise(ECHO, _echo)
            stage = Scene(victim, good, Address.parse(place), log, clock)
            stage.since = (await _since(victim, good), await _since(good, victim))
            await stage.works()
            stage.endpoint._connections._ids._linger_time = 0.05
            before = footprint(victim)

            def beyond() -> dict[str, tuple[int, int]]:
                return footprint(victim).beyond(before)

            yield stage
            await stage.works()
            await stage.eventually(lambda: not beyond(), beyond)


async def _echo(args: Any) -> Any:
    return args


async def _since(node: macula.Mesh, peer: macula.Mesh) -> float:
    status: NodeStatus = await node._driver.ask(Status())
    (since,) = [each.since for each in status.peers if each.node_id == peer.node_id]
    return since


def _is_warning(record: logging.LogRecord) -> bool:
    return record.name == "macula.trace" and record.levelno >= logging.WARNING
