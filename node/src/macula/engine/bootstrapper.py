"""The ways into the mesh: dial each configured bootstrap, and find it again when it is lost."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from macula.core.effects import Pin, Trace
from macula.core.events import PeerSuspect
from macula.core.requests import Hold, PeerDown, Release
from macula.core.results import BootstrapStatus
from macula.core.service import Action
from macula.core.timers import Timers
from macula.engine.notices import AddressFailed, AddressUp
from macula.engine.peers import PeerTable
from macula.engine.settings import Bootstrap, ReconnectSettings
from macula.identity import NodeId
from macula.wire import codes

_DOUBT = 1.0
"""Least seconds from when a bootstrap is suspect until it is dialed anew: another path to it is found within these."""


@dataclass(slots=True)
class _Entry:
    bootstrap: Bootstrap
    attempts: int = 0
    dial: int | None = None
    peer: NodeId | None = None
    failure: AddressFailed | None = None
    """how the last attempt ended, if it was none that led to a peer"""
    suspect: bool = False


class Bootstrapper:
    """One entry for each configured bootstrap; each is connected, being dialed, or waiting for its next attempt."""

    def __init__(
        self, bootstraps: tuple[Bootstrap, ...], settings: ReconnectSettings, timeout: float, rng: random.Random
    ) -> None:
        """`timeout` in seconds for one attempt."""
        self._entries = [_Entry(bootstrap) for bootstrap in bootstraps]
        self._settings = settings
        self._timeout = timeout
        self._rng = rng
        self._timers: Timers[int] = Timers()
        self._stopped = False

    def stop(self) -> None:
        """Dial nobody any more: the node is shutting down."""
        self._timers = Timers()
        self._stopped = True

    def start(self, now: float) -> None:
        """Dial all of them at the next tick, which is due at once."""
        for index in range(len(self._entries)):
            self._timers.set(index, now)

    def tick(self, now: float, peers: PeerTable) -> list[Action]:
        """Dial those whose time has come."""
        actions: list[Action] = []
        for index in self._timers.pop_due(now):
            entry = self._entries[index]
            entry.attempts += 1
            known = entry.bootstrap
            entry.dial, dial = peers.dial_address(known.address, known.expected, self._timeout, known.tunnels)
            actions.append(dial)
        return actions

    def next_deadline(self) -> float | None:
        """When to call tick next."""
        return self._timers.next()

    def status(self) -> tuple[BootstrapStatus, ...]:
        """How each of them is, in their order."""
        return tuple(
            BootstrapStatus(
                entry.bootstrap.address,
                entry.peer,
                entry.attempts,
                entry.failure.code if entry.failure else "",
                entry.failure.reason if entry.failure else "",
            )
            for entry in self._entries
        )

    def notice(self, notice: AddressUp | AddressFailed, now: float) -> list[Action]:
        """How an attempt ended; those of others are ignored."""
        for index, entry in enumerate(self._entries):
            if entry.dial != notice.dial:
                continue
            entry.dial = None
            if isinstance(notice, AddressUp):
                return self._joined(index, entry, notice.peer)
            return self._failed(index, entry, notice, now)
        return []

    def peer_down(self, event: PeerDown, now: float) -> list[Action]:
        """A bootstrap was lost: seek it soon, but not all nodes at the same moment."""
        actions: list[Action] = []
        for index, entry in enumerate(self._entries):
            if entry.peer != event.peer:
                continue
            entry.peer = None
            entry.attempts = 0
            entry.suspect = False
            actions += [Release(event.peer), self._trace("bootstrap.lost", entry, reason=event.reason)]
            if self._settings.enabled and not self._stopped:
                self._timers.set(index, now + self._rng.uniform(0.1, 0.5) * self._settings.interval)
        return actions

    def peer_suspect(self, event: PeerSuspect, now: float) -> None:
        """A bootstrap does not answer, or does again. If it has started anew, or moved, it will never answer on the
        connection that there is, which takes a minute to end."""
        for index, entry in enumerate(self._entries):
            if entry.peer != event.peer:
                continue
            entry.suspect = event.suspect
            if not event.suspect:
                self._timers.cancel(index)
            elif entry.dial is None and self._settings.enabled and not self._stopped:
                self._timers.set(index, now + self._rng.uniform(1.0, 2.0) * _DOUBT)

    def _joined(self, index: int, entry: _Entry, peer: NodeId) -> list[Action]:
        self._timers.cancel(index)
        entry.attempts = 0
        entry.failure = None
        if entry.peer == peer:
            return []
        entry.peer = peer
        actions: list[Action] = [Hold(peer), self._trace("bootstrap.joined", entry, peer=peer.short)]
        if entry.bootstrap.expected is None:
            entry.bootstrap = replace(entry.bootstrap, expected=peer, pinned=True)
            actions.append(Pin(entry.bootstrap.address, peer))
        return actions

    def _failed(self, index: int, entry: _Entry, notice: AddressFailed, now: float) -> list[Action]:
        if entry.peer is not None and not entry.suspect:
            return []
        settings = self._settings
        entry.failure = notice
        fields: dict[str, object] = {"reason": notice.reason, **_remedy(entry.bootstrap, notice.code)}
        if self._stopped or (settings.max_attempts and entry.attempts >= settings.max_attempts):
            return [self._trace("bootstrap.given_up", entry, attempts=entry.attempts, **fields)]
        delay = min(settings.interval * 2 ** min(entry.attempts - 1, 16), settings.max_interval)
        delay *= self._rng.uniform(0.5, 1.5)
        self._timers.set(index, now + delay)
        return [self._trace("bootstrap.failed", entry, next_in=round(delay, 1), **fields)]

    @staticmethod
    def _trace(name: str, entry: _Entry, **fields: object) -> Trace:
        return Trace(name, {"address": str(entry.bootstrap.address), **fields})


def _remedy(bootstrap: Bootstrap, code: str) -> dict[str, str]:
    """What a person can do about a failure, if anything."""
    if code != codes.BAD_IDENTITY:
        return {}
    if bootstrap.pinned:
        return {"remedy": f"macula pins forget {bootstrap.address}", "pinned_in": "pins.json in the data directory"}
    return {"remedy": "the setting bootstrap or relays names another node id"}
