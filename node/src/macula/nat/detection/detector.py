"""When a node looks at its NAT, and what it knows of it.

It measures when it has entered the mesh, when a second observer appears, when the outside address is another one, and
when it is asked to; the lifetime of mappings once for each outside address, in the background.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from macula.core.address import Address
from macula.core.effects import Completed, Trace
from macula.core.events import DatagramReceived, SocketFailed, SocketOpened
from macula.core.service import Action
from macula.core.timers import earliest
from macula.identity import NodeId
from macula.nat.detection.bench import Bench, Run
from macula.nat.detection.findings import Findings
from macula.nat.detection.glance import BUDGET as GLANCE_BUDGET
from macula.nat.detection.glance import Glance, check_address, find_newest
from macula.nat.detection.judgement import judge
from macula.nat.detection.lifetime import BUDGET as LIFETIME_BUDGET
from macula.nat.detection.lifetime import Lifetime, measure_lifetime
from macula.nat.detection.measure import BUDGET, detect
from macula.nat.detection.observers import Observers
from macula.nat.info import NatInfo, NatType
from macula.nat.settings import NatSettings
from macula.nat.stun import Message
from macula.wire.messages import ObserverTold

_NOTHING_TO_LEARN = (NatType.NONE, NatType.BLOCKED, NatType.UNKNOWN)
"""Without a mapping there is no lifetime of one."""


class Detector:
    """After each call, take what `step` returns; `next_deadline` says when to call it without anything having
    happened."""

    def __init__(self, settings: NatSettings, rng: random.Random, numbers: Iterator[int]) -> None:
        """`numbers` names sockets and requests."""
        self._settings = settings
        self._rng = rng
        self._numbers = numbers
        self.observers = Observers(settings)
        self.info = NatInfo()
        self.looked_at: float | None = None
        """when a look ended last"""
        self._logged = _shown(self.info)
        self._detection: tuple[Run, Findings] | None = None
        self._resting: tuple[Run, Lifetime] | None = None
        self._checking: tuple[Run, Glance] | None = None
        self._looking: tuple[Run, Glance] | None = None
        self._seen: dict[Address, Address] = {}
        self._measure_at: float | None = None
        self._check_at: float | None = None
        self._rest_at: float | None = None
        self._checked_at = 0.0
        self._measured_at: float | None = None
        self._rested_at = ""
        self._waiting: list[int] = []
        self._closed = False

    @property
    def measured(self) -> bool:
        """Whether a measurement was finished."""
        return self._measured_at is not None

    # When to look.

    def started(self, now: float) -> None:
        """The mesh's socket is open."""
        if self._settings.bootstraps:
            self._measure_by(now + self._settings.patience)

    def observer_up(self, was_enough: bool, now: float) -> None:
        """An observer has come up; before it there were two at different addresses, or not."""
        if was_enough or _is_whole(self.info):
            return
        if self.observers.enough:
            self._measure_by(self._not_too_soon(now + self._settings.settling, self._settings.gathering))
        elif self.info.type in (NatType.UNKNOWN, NatType.BLOCKED):
            self._measure_by(self._not_too_soon(now + self._settings.gathering, self._settings.min_interval))

    def in_doubt(self, now: float) -> None:
        """Something is wrong with a connection: perhaps the outside address has changed."""
        if self._measured_at is None or self._closed:
            return
        at = max(now + self._settings.doubt, self._checked_at + self._settings.patience)
        self._check_at = at if self._check_at is None else min(self._check_at, at)

    def look(self, now: float) -> None:
        """Ask where a new mapping is, for who has to guess the next one: `info` is a new one when that is known, its
        `last_port` 0 if it is not to be known."""
        observers = self.observers.choose()
        if observers and self._looking is None and not self._closed:
            seen, bench = Glance(), self._bench(GLANCE_BUDGET)
            self._looking = Run(bench, find_newest(bench, observers, seen), now), seen

    def ask(self, id_: int, refresh: bool, now: float) -> list[Action]:
        """Answer a command with what is known, or after the measurement that is near, or that it asks for."""
        near = self._detection is not None or (
            self._measure_at is not None and self._measure_at <= now + self._settings.patience
        )
        if self._measured_at is not None and not refresh and not near:
            return [Completed(id_, self.info)]
        if self._closed or not self._settings.measures or not self.observers.choose():
            return [Completed(id_, replace(self.info, note=self.info.note or "no observer is known yet"))]
        self._waiting.append(id_)
        if self._detection is None and (refresh or self._measure_at is None):
            self._measure_by(now)
        return []

    def stop(self) -> list[Action]:
        """The node is shutting down."""
        self._closed = True
        actions: list[Action] = [Completed(id_, self.info) for id_ in self._waiting]
        for run in self._runs():
            actions += run.cancel()
        self._waiting.clear()
        self._detection = self._resting = self._checking = self._looking = None
        self._measure_at = self._check_at = self._rest_at = None
        return actions

    # What happens.

    def received(self, event: DatagramReceived, message: Message) -> bool:
        """Whether a STUN message belongs to a measurement."""
        return any(run.bench.received(event, message) for run in self._runs())

    def told(self, peer: NodeId, message: ObserverTold) -> None:
        """An observer has answered."""
        for run in self._runs():
            run.bench.observer_told(peer, message)

    def socket(self, event: SocketOpened | SocketFailed) -> None:
        """A socket is open, or is not to be had."""
        for run in self._runs():
            run.bench.socket(event)

    def step(self, now: float) -> list[Action]:
        """Go on as far as possible."""
        actions: list[Action] = []
        if self._due(self._measure_at, now) and self._detection is None:
            self._measure_at = None
            self._begin_detection(now)
        if self._due(self._check_at, now):
            self._check_at, self._checked_at = now + self._settings.check_interval, now
            if self._detection is None and self._checking is None:
                self._begin_check(now)
        if self._due(self._rest_at, now):
            self._rest_at = None
            self._begin_rest(now)
        for run in self._runs():
            actions += run.step(now)
        if self._detection is not None and self._detection[0].done:
            actions += self._detected(self._detection[1], now)
        elif self._detection is not None and self._measured_at is None and self._detection[1].mesh:
            # Better than nothing for who wants to be reached at once.
            self.info = judge(self._detection[1], now)
        if self._checking is not None and self._checking[0].done:
            actions += self._checked(self._checking[1].mesh, now)
        if self._looking is not None and self._looking[0].done:
            newest, self._looking = self._looking[1].newest, None
            self.looked_at = now
            self.info = replace(self.info, last_port=newest.port if newest else 0)
        if self._resting is not None:
            self._rested(*self._resting)
        return actions

    def next_deadline(self) -> float | None:
        """When to call `step`."""
        deadlines = [run.deadline for run in self._runs()] + [self._check_at, self._rest_at]
        if self._detection is None:
            deadlines.append(self._measure_at)
        return earliest(*deadlines)

    # How.

    def _runs(self) -> list[Run]:
        return [one[0] for one in (self._detection, self._resting, self._checking, self._looking) if one is not None]

    def _due(self, at: float | None, now: float) -> bool:
        return at is not None and at <= now

    def _measure_by(self, at: float) -> None:
        if self._settings.measures and not self._closed:
            self._measure_at = at if self._measure_at is None else min(self._measure_at, at)

    def _not_too_soon(self, at: float, interval: float) -> float:
        return at if self._measured_at is None else max(at, self._measured_at + interval)

    def _bench(self, budget: int) -> Bench:
        return Bench(self._rng, self._numbers, budget)

    def _begin_detection(self, now: float) -> None:
        observers = self.observers.choose()
        findings, bench = Findings(), self._bench(BUDGET)
        self._detection = Run(bench, detect(bench, observers, findings), now), findings

    def _detected(self, findings: Findings, now: float) -> list[Action]:
        self._detection = None
        self._measured_at = now
        self._seen = dict(findings.mesh)
        if self._check_at is None:
            self._check_at = now + self._settings.check_interval
        before, self.info = self.info, judge(findings, now)
        if _is_whole(self.info):
            # An observer that came up meanwhile took part, or is not needed.
            self._measure_at = None
        if self.info.type is NatType.UNKNOWN and self.observers.enough:
            self._measure_by(now + self._settings.port_interval)
        if before.public is not None and self.info.public is not None and before.public.host == self.info.public.host:
            self.info = replace(self.info, lifetime=before.lifetime)
        actions: list[Action] = [Completed(id_, self.info) for id_ in self._waiting]
        self._waiting.clear()
        shown = _shown(self.info)
        if shown != self._logged:
            self._logged = shown
            actions.append(Trace("nat.detected", shown))
        self._rest_at = now + self._settings.calm
        return actions

    def _begin_rest(self, now: float) -> None:
        public = self.info.public
        observer = next((one for one in self.observers.choose() if one.place in self._seen), None)
        if self.info.type in _NOTHING_TO_LEARN or public is None or observer is None or observer.peer is None:
            return
        if self._resting is None and self._rested_at != public.host:
            self._rested_at = public.host
            found, bench = Lifetime(), self._bench(LIFETIME_BUDGET)
            self._resting = Run(bench, measure_lifetime(bench, observer, found), now), found

    def _rested(self, run: Run, found: Lifetime) -> None:
        public = self.info.public
        if public is not None and public.host == self._rested_at and (found.at_least or found.below):
            self.info = replace(self.info, lifetime=(found.at_least, found.below))
        if run.done:
            self._resting = None

    def _begin_check(self, now: float) -> None:
        seen, bench = Glance(), self._bench(GLANCE_BUDGET)
        self._checking = Run(bench, check_address(bench, self.observers.choose(), seen), now), seen

    def _checked(self, seen: dict[Address, Address], now: float) -> list[Action]:
        self._checking = None
        changed = {place: at for place, at in seen.items() if self._seen.get(place) != at}
        known_hosts = {at.host for at in self._seen.values()}
        if not changed:
            return []
        self._seen |= changed
        public = next((self._seen[place] for place in self.info.observers if place in self._seen), None)
        if any(at.host not in known_hosts for at in changed.values()):
            # Where it is now is told at once, or no peer would find it before it is known what else is new.
            self.info = replace(self.info, public=public, lifetime=NatInfo().lifetime)
            self._measure_by(self._not_too_soon(now, self._settings.min_interval))
            return []
        if self._measured_at is not None:
            self._measure_by(max(now, self._measured_at + self._settings.port_interval))
        self.info = replace(self.info, public=public)
        return [Trace("nat.port_changed", {"public": str(public)})]


def _is_whole(info: NatInfo) -> bool:
    """Whether observers at two addresses took part."""
    return len({place.host for place in info.observers}) > 1


def _shown(info: NatInfo) -> dict[str, object]:
    """What a log line says of it."""
    return {
        "type": info.type.value,
        "public": str(info.public or ""),
        "mapping": info.mapping.value if info.mapping else "",
        "filtering": info.filtering.value if info.filtering else "",
        "ports": info.ports.value if info.ports else "",
        "hairpin": info.hairpin,
    }
